/// The host's memory. The system grants more than it has and kills the program that uses it: what a file or a
/// user asks for is therefore compared with what there is.
#pragma once

#include <cstddef>
#include <string>

namespace natgrad {

/// Bytes that this process can still take: what the system has free without swapping, or less where a control
/// group (v2) limits it. All there are where nothing tells.
std::size_t available_host_memory();

/// Throws OutOfMemory, starting with `what` and naming the bytes wanted and free, where `bytes` are not
/// there.
void require_host_memory(std::size_t bytes, const std::string& what);

}  // namespace natgrad
