#include "io/data_directory.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "natgrad/error.hpp"

namespace natgrad {

const char* source_data_directory() { return NATGRAD_SOURCE_DATA_DIR; }

std::string find_shipped_file(const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code ignored;  // what cannot be read is not there
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path installed = program.parent_path().parent_path() / "share/natgrad/data" / name;
  const fs::path in_source = fs::path(source_data_directory()) / name;
  if (fs::exists(installed, ignored)) return installed.string();
  if (fs::exists(in_source, ignored)) return in_source.string();
  throw DataError(
      fmt::format("{}: found neither at {} nor at {}; install natgrad with its data, or give the files with "
                  "--train-x and --train-y",
                  name, installed.string(), in_source.string()));
}

}  // namespace natgrad
