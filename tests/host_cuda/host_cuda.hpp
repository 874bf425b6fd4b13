/// What tests ask of host CUDA, the executor of natgrad's CUDA sources on a machine without a GPU.
///
/// Environment variables, read whenever they matter:
///   NATGRAD_HOST_CUDA_SHUFFLE=SEED    blocks and threads run in a random order drawn from SEED; 1: reversed;
///                                     streams advance at random when the host waits for one
///   NATGRAD_HOST_CUDA_DROP=FILE:LINE  the __syncthreads, __syncwarp or grid_sync there does nothing (FILE is
///                                     the last component of its path)
///   NATGRAD_HOST_CUDA_BARRIERS=PATH   appends to PATH, as FILE:LINE, the places of such barriers, each when
///                                     the host thread first reaches it
///   NATGRAD_HOST_CUDA_PROTECT=1       device memory is mapped without access while no operation runs
///   NATGRAD_HOST_CUDA_MEMORY=BYTES    the device's memory (default 8 GiB)
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace host_cuda {

/// What a kernel did that a device forbids: a barrier that only some threads reach, a shuffle mask that
/// differs from the lanes that arrive, shared memory overrun. Thrown by the call that synchronises with the
/// kernel, as are the kernel's own exceptions.
struct KernelError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Calls since the start or the last reset_counts. A launch, a library call or a copy counts when it is
/// called, also where a stream captures it, and again each time that a graph replays it.
struct Counts {
  std::int64_t launches = 0;
  std::int64_t synchronisations = 0;  ///< calls in which the host waited for the device, implicit ones too
  std::int64_t allocations = 0, frees = 0;  ///< of device memory
  std::int64_t library_calls = 0;           ///< cuBLAS and cuSOLVER operations
  std::int64_t copies = 0;                  ///< cudaMemcpy and cudaMemset, all variants
  std::int64_t captures = 0;                ///< begun
  std::int64_t instantiations = 0;          ///< of graphs
  std::int64_t graph_launches = 0;
  std::int64_t profiler_starts = 0, profiler_stops = 0;
};
Counts counts();
void reset_counts();

/// Device allocations not freed yet; a queued free counts when it has run.
std::int64_t live_allocations();

/// The `i`-th allocation from now (1 = the next), and with `all_after` every one behind it, fails as where
/// memory is used up; 0 takes it back. Counted is what takes memory of the device or of its libraries: device
/// and pinned memory, streams, events, executable graphs, library handles.
void fail_allocation(std::int64_t i, bool all_after = false);
/// Such allocations since the last fail_allocation, failed ones included.
std::int64_t allocations_asked_for();

/// Whether the calling thread is inside a function of the API, in code that a program with a GPU does not
/// have.
bool inside_call();

}  // namespace host_cuda
