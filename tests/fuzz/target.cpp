#include "fuzz/target.hpp"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "fuzz/allocations.hpp"
#include "natgrad/error.hpp"

namespace natgrad::fuzz {
namespace {

constexpr Target table[] = {
    {"npy", parse_npy_file, 48},
    {"idx", parse_idx_file, 48},
    // Deflate expands at most 1032 times.
    {"gzip", parse_gzip_file, 3 * 1032},
    {"csv", parse_csv_file, 160},
    {"safetensors", parse_safetensors_file, 100},
    {"model", parse_model_file, 100},
    {"checkpoint", parse_checkpoint_file, 100},
    {"config", parse_config_file, 100},
};

/// A folder for one file, removed at the end of the program.
class Folder {
 public:
  Folder() : path_((std::filesystem::temp_directory_path() / "natgrad-fuzz-XXXXXX").string()) {
    if (!::mkdtemp(path_.data())) throw std::runtime_error("cannot create " + path_);
    file_ = path_ + "/input";
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& file() const { return file_; }

 private:
  std::string path_, file_;
};

}  // namespace

std::span<const Target> targets() { return table; }

const Target& find_target(std::string_view name) {
  const auto found = std::ranges::find(table, name, &Target::name);
  if (found != std::end(table)) return *found;
  std::string names;
  for (const Target& target : table) names += " " + std::string(target.name);
  throw std::invalid_argument("no fuzz target '" + std::string(name) + "', there are:" + names);
}

std::size_t run(const Target& target, Input input) {
  const PeakAllocation peak;
  try {
    target.parse(input);
  } catch (const Error&) {
  }
  const std::size_t allowed = target.factor * input.size() + constant_bytes;
  require(peak.bytes() <= allowed, std::string(target.name) + ": " + std::to_string(input.size()) +
                                       " bytes made the parser allocate " + std::to_string(peak.bytes()) +
                                       ", allowed: " + std::to_string(allowed));
  return peak.bytes();
}

void require(bool condition, const std::string& complaint) {
  if (!condition) throw std::logic_error(complaint);
}

const std::string& as_file(Input input) {
  static const Folder folder;
  std::ofstream file(folder.file(), std::ios::binary);
  file.write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
  require(file.flush().good(), folder.file() + ": cannot be written");
  return folder.file();
}

}  // namespace natgrad::fuzz
