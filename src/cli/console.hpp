/// Standard output and standard error.
#pragma once

#include <string>

namespace natgrad::cli {

/// Write text as it is, at once. That a stream cannot be written to ends no run.
void print_out(const std::string& text);
void print_error(const std::string& text);

}  // namespace natgrad::cli
