/// The figures that stand behind the promises of docs/reliability.md.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace natgrad {

/// Prints "R1: figure" on one line, and adds it to the file that NATGRAD_FIGURES names.
inline void report_figure(const std::string& promise, const std::string& figure) {
  const std::string line = promise + ": " + figure + "\n";
  std::fputs(line.c_str(), stdout);
  if (const char* path = std::getenv("NATGRAD_FIGURES")) std::ofstream(path, std::ios::app) << line;
}

}  // namespace natgrad
