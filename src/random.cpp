#include "random.hpp"

#include <algorithm>
#include <numeric>

namespace natgrad {

std::vector<Index> random_permutation(RandomKey key, Index n) {
  std::vector<std::uint64_t> sort_keys(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) sort_keys[i] = random_sort_key(key, static_cast<std::uint64_t>(i));
  std::vector<Index> permutation(static_cast<std::size_t>(n));
  std::iota(permutation.begin(), permutation.end(), Index{0});
  std::stable_sort(permutation.begin(), permutation.end(),
                   [&](Index a, Index b) { return sort_keys[a] < sort_keys[b]; });
  return permutation;
}

}  // namespace natgrad
