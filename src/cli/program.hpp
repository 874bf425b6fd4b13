/// The `natgrad` program as a function.
#pragma once

namespace natgrad::cli {

/// Parses the command line, runs the subcommand and returns the exit status: 0, 2 usage, 3 data, 4 numeric,
/// 5 device or memory, 128 + n ended by signal n, 1 a fault of natgrad itself. Errors are printed, none is
/// thrown.
int run_program(int argc, const char* const* argv);

}  // namespace natgrad::cli
