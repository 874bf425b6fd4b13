/// keys_i ← random number i of the stream, index_i ← i: sorted by key they are the stream's permutation
/// (random.hpp). Writes both once; every element by one thread.
#pragma once

#include "grid.cuh"
#include "random.hpp"

namespace natgrad::kernels {

static __global__ void sort_keys_kernel(RandomKey key, std::uint64_t* keys, Index* index, Index count) {
  for (Index i : grid_stride(count)) {
    keys[i] = random_sort_key(key, static_cast<std::uint64_t>(i));
    index[i] = i;
  }
}

inline void sort_keys(RandomKey key, std::uint64_t* keys, VectorView<Index> index, cudaStream_t stream) {
  launch(sort_keys_kernel, blocks_for(index.size), element_threads, 0, stream, key, keys, index.data,
         index.size);
}

}  // namespace natgrad::kernels
