/// Standard output and standard error.
#pragma once

#include <string>
#include <string_view>

namespace natgrad::cli {

/// Write text as it is, at once, without taking memory. That a stream cannot be written to ends no run.
void print_out(std::string_view text);
void print_error(std::string_view text);

/// Writes to standard output what the program was called for. Throws DataError where that cannot be written;
/// a reader that goes away has had what it wanted.
void print_result(std::string_view text);

/// Writes to standard error, at once and without taking memory, what files or users may have put in: control
/// characters as \xNN, so that they neither drive the terminal nor begin a line; of a text of more than 4000
/// bytes the middle is left out.
void print_escaped(std::string_view text);

/// A path in a command that is shown to be typed: in quotes where a shell would take it for more than a word.
std::string shell_word(std::string_view path);

}  // namespace natgrad::cli
