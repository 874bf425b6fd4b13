/// Runs the natgrad program as a process of its own.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/temporary_directory.hpp"

namespace natgrad::testing {

/// NATGRAD_PROGRAM in the environment, else the program built beside the tests.
inline std::string program_path() {
  const char* given = std::getenv("NATGRAD_PROGRAM");
  return given != nullptr ? given : NATGRAD_PROGRAM_PATH;
}

struct ProgramResult {
  int status = -1;
  std::string out, error;
};

/// `arguments` as a shell has them; the working folder is `directory`.
inline ProgramResult run_program(const TemporaryDirectory& directory, const std::string& arguments) {
  const std::string command = "cd '" + directory.path(".") + "' && '" + program_path() + "' " + arguments +
                              " > stdout.txt 2> stderr.txt";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(directory.path("stdout.txt")),
          content_of(directory.path("stderr.txt"))};
}

/// Expects this exit status and that standard error holds every one of `words`.
inline void expect_failure(const std::string& arguments, int status, const std::vector<std::string>& words) {
  const TemporaryDirectory directory;
  const ProgramResult result = run_program(directory, arguments);
  EXPECT_EQ(result.status, status) << arguments << "\n" << result.error;
  EXPECT_EQ(result.error.rfind("natgrad: error: ", 0) == 0 ||
                result.error.find("\nnatgrad: error: ") != std::string::npos,
            true)
      << result.error;
  for (const std::string& word : words)
    EXPECT_NE(result.error.find(word), std::string::npos)
        << "'" << word << "' is missing in: " << result.error;
}

/// The rows of a metrics file, without what differs from run to run: the times.
inline std::vector<nlohmann::json> timeless_metrics(const std::string& path) {
  std::vector<nlohmann::json> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    rows.push_back(nlohmann::json::parse(line));
    rows.back().erase("seconds");
    rows.back().erase("phases");
  }
  return rows;
}

}  // namespace natgrad::testing
