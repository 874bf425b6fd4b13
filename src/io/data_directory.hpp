/// Where the data sets that come with natgrad lie.
#pragma once

#include <string>

namespace natgrad {

/// The data folder of the source tree that this library was built from.
const char* source_data_directory();

/// The path of a shipped file, such as "digits/digits-labels-idx1-ubyte.gz": beside the running program's own
/// installation (../share/natgrad/data from its folder), else in the source tree.
/// Throws DataError, naming both places, where it is in neither.
std::string find_shipped_file(const std::string& name);

}  // namespace natgrad
