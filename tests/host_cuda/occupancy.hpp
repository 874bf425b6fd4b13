/// What a multiprocessor of the device holds at the same time.
#pragma once

#include <cstddef>

namespace host_cuda {

/// Bytes of shared memory that a block of the kernel may have: 48 KiB, or its opt-in.
std::size_t shared_limit(const void* kernel);

/// Blocks of the kernel that the device runs at the same time.
int resident_blocks(const void* kernel, int threads, std::size_t shared_bytes);

}  // namespace host_cuda
