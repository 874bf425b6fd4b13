#include "cli/console.hpp"

#include <cstdio>

namespace natgrad::cli {
namespace {

void print(std::FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

}  // namespace

void print_out(const std::string& text) { print(stdout, text); }
void print_error(const std::string& text) { print(stderr, text); }

}  // namespace natgrad::cli
