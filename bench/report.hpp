/// What the bench programs share: text as it comes, a report as a file.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "natgrad/error.hpp"

namespace natgrad::bench {

using Json = nlohmann::ordered_json;

inline void print(const std::string& text) {
  fmt::print("{}", text);
  std::fflush(stdout);
}

/// Throws DataError where the file cannot be written.
inline void write(const std::string& path, const Json& report) {
  std::ofstream file(path);
  file << report.dump(2) << '\n';
  if (!file.flush())
    throw DataError(fmt::format("{}: cannot be written; check the folder and its rights", path));
}

}  // namespace natgrad::bench
