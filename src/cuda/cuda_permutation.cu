/// The stream's permutation, CUDA backend: a stable sort by random key, as random_permutation does it.
#include <thrust/sort.h>
#include <thrust/system_error.h>

#include <new>

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
  try {
    thrust::stable_sort_by_key(thrust_policy(device_.stream()), keys, keys + index.size, index.data);
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(name() + ": Thrust's temporary memory for sorting " + std::to_string(index.size) +
                      " samples could not be had, " + std::to_string(available_bytes()) +
                      " bytes free; try another structure or a smaller network");
  } catch (const thrust::system_error& error) {
    throw DeviceError(name() + ": sorting " + std::to_string(index.size) + " samples: " + error.what());
  }
}

template class CudaBackend<float>;
template class CudaBackend<double>;

}  // namespace natgrad
