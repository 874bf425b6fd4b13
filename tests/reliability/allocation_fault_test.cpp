/// R9 in trainings with every structure and optimiser.
#include "io/temporary_directory.hpp"
#include "natgrad/model_file.hpp"
#include "reliability/allocation_faults.hpp"
#include "reliability/quiet_error.hpp"
#include "reliability/small_training.hpp"

namespace natgrad {
namespace {

using testing::TemporaryDirectory;

/// Data, network, optimiser, three steps on mini-batches, evaluations, the averaged iterate, a saved model;
/// the file's content.
std::string train_and_save(const Method& method, const CudaOptions& cuda, const std::string& path) {
  const auto backend = make_backend<float>(faults::device(), 2, nullptr, cuda);
  const Dataset<float> train = small_data<float>(24), test = small_data<float>(5);
  const NetworkShape shape = small_network();
  Network<float> net(*backend, shape);
  net.set_parameters(initial_parameters(shape, Init::lecun, 1));
  const auto optimizer = method.optimizer(net);
  const TrainerOptions options{.batch = 8, .steps = 3, .eval_every = 2, .average = 0.9};
  Trainer<float>(net, Likelihood::categorical, *optimizer, train, test, {}, options).run();
  Model model;
  model.widths = shape.widths;
  model.activations = shape.activations;
  model.likelihood = Likelihood::categorical;
  model.parameters = net.parameters();
  save_model(path, model);
  return testing::content_of(path);
}

/// Whether to run this: CUDA on the host is slow. What structures allocate on the host is seen on the CPU,
/// and graphs take memory of the device that two methods show.
bool is_tried(Memory memory, const Method& method, bool graph) {
  if (std::string(faults::device()) != "cuda") return !graph;
  if (memory == Memory::host) return graph && method.name == "dense";
  return !graph || method.name == "sgd" || method.name == "dense";
}

void fail_every_of_all_methods(R9& test, Memory memory) {
  const TemporaryDirectory directory;
  const QuietError quiet;
  for (const Method& method : methods())
    for (const bool graph : {false, true}) {
      if (!is_tried(memory, method, graph)) continue;
      test.fail_every(memory, method.name + (graph ? " with graphs" : ""),
                      [&] { return train_and_save(method, {.graph = graph}, directory.path("model")); });
    }
  EXPECT_EQ(directory.list(), std::vector<std::string>{"model"}) << "a file was left behind";
}

TEST_F(R9, EveryFailingAllocationOfTheHostIsACleanErrorInATraining) {
  fail_every_of_all_methods(*this, Memory::host);
  expect_clean("host allocations of trainings");
}

TEST_F(R9, EveryFailingAllocationOfTheDeviceIsACleanErrorInATraining) {
  fail_every_of_all_methods(*this, Memory::device);
  expect_clean("device allocations of trainings");
}

}  // namespace
}  // namespace natgrad
