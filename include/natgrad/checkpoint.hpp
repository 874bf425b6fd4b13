/// States on disk: checkpoints, from which another process goes on.
#pragma once

#include <map>
#include <string>

#include "natgrad/state.hpp"

namespace natgrad {

/// A state together with texts that say what it belongs to: a run's options, its data, the version.
template <class R>
struct Checkpoint {
  State<R> state;
  std::map<std::string, std::string> about;

  bool operator==(const Checkpoint&) const = default;
};

/// Writes a safetensors file, which Python's `safetensors` package opens as well: the arrays as tensors of
/// one dimension, F32 or F64, under their own names; as `__metadata__` the format ("natgrad-checkpoint-1"),
/// the precision, "count.NAME", "number.NAME" (decimal digits that read back exactly; one NaN for all),
/// "about.NAME", and "crc32": CRC-32 (as zlib's) of the whole file with these eight digits as zeros. The same
/// checkpoint gives the same bytes. The file appears whole or not at all, and is on the disk when the
/// function returns. Throws DataError where the file cannot be written, a name or a text is not UTF-8;
/// ShapeError for an array named
/// `__metadata__`.
template <class R>
void save_checkpoint(const std::string& path, const Checkpoint<R>& checkpoint);

/// Reads such a file. Throws DataError, naming the file, what was found and what was expected, where it is
/// damaged in any byte, truncated, of another format version or of another precision than R.
template <class R>
Checkpoint<R> load_checkpoint(const std::string& path);

}  // namespace natgrad
