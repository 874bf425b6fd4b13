/// R9 in a run of the program, in this process.
#include "cli/program.hpp"
#include "io/temporary_directory.hpp"
#include "reliability/allocation_faults.hpp"
#include "reliability/quiet_error.hpp"

namespace natgrad {
namespace {

using testing::TemporaryDirectory;

std::string table_of_three_classes() {
  std::string text = "a,b,label\n";
  for (int n = 0; n < 12; ++n) text += fmt::format("{},{},{}\n", n % 3, n * 7 % 5, "rgb"[n % 3]);
  return text;
}

/// The model that a run of `natgrad` writes. Throws bad_alloc where it ended with the exit code of memory and
/// a message, runtime_error where it ended otherwise.
std::string run_and_read(const std::vector<const char*>& arguments, const std::string& model,
                         const QuietError& error) {
  const int status = cli::run_program(static_cast<int>(arguments.size()), arguments.data());
  faults::stop_failing();
  const std::string message = error.take();
  if (status == 0) return testing::content_of(model);
  if (status == 5 && message.find("natgrad: error: ") != std::string::npos) throw std::bad_alloc();
  throw std::runtime_error(fmt::format("exit status {}: {}", status, message));
}

TEST_F(R9, EveryFailingAllocationOfTheProgramIsAMessageAndExitStatusFive) {
  const TemporaryDirectory directory;
  const std::string data = directory.write("data.csv", table_of_three_classes());
  const std::string out = directory.path("run"), model = out + "/model.safetensors";
  const std::vector<const char*> arguments = {
      "natgrad",   "train",   "--train-csv", data.c_str(),  "--target",    "label",    "--hidden",
      "2",         "--steps", "3",           "--gemm-rate", "1",           "--device", "cpu",
      "--threads", "1",       "--out",       out.c_str(),   "--overwrite", "--quiet"};
  const QuietError error;
  fail_every(Memory::host, "natgrad train", [&] { return run_and_read(arguments, model, error); });
  expect_clean("host allocations of natgrad train");
}

}  // namespace
}  // namespace natgrad
