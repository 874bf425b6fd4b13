/// The stream's permutation, CUDA backend: a stable sort by random key, as random_permutation does it.
#include <thrust/sort.h>

#include "cuda/cuda_backend.hpp"
#include "sort_keys.cuh"
#include "thrust_policy.cuh"

namespace natgrad {

template <class R>
void CudaBackend<R>::permutation(RandomKey key, VectorView<Index> index) {
  flush();
  if (index.size == 0) return;
  auto* keys = workspace<std::uint64_t>(index.size);
  kernels::sort_keys(key, keys, index, device_.stream());
  thrust::stable_sort_by_key(thrust_policy(device_.stream()), keys, keys + index.size, index.data);
}

template class CudaBackend<float>;
template class CudaBackend<double>;

}  // namespace natgrad
