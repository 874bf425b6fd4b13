#include "cli/program.hpp"

int main(int argc, char** argv) { return natgrad::cli::run_program(argc, argv); }
