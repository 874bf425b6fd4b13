/// What the program needs of its process, whoever started it.
#pragma once

namespace natgrad::cli {

/// Opens /dev/null for those of standard input, output and error that are closed: else the next file to be
/// opened would take their number and what is printed. Has a write to a pipe without a reader (SIGPIPE) and
/// one beyond the allowed size of files (SIGXFSZ) return an error instead of ending the program.
void prepare_process();

}  // namespace natgrad::cli
