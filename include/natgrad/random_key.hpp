/// Names one reproducible stream of random numbers.
#pragma once

#include <cstdint>

namespace natgrad {

/// What a stream is used for; streams of different uses never overlap.
enum class Stream : std::uint32_t { init = 1, split = 2, shuffle = 3, scores = 4 };

/// A counter-based stream: number `index` of the stream is a pure function of (seed, stream, round, index),
/// the same on every device. `round` is the step, the epoch or the layer, whatever the stream advances by.
struct RandomKey {
  std::uint64_t seed = 1;
  Stream stream = Stream::init;
  std::uint32_t round = 0;

  bool operator==(const RandomKey&) const = default;
};

}  // namespace natgrad
