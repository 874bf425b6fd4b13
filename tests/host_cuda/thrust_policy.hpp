/// Thrust's policy for g++: its C++ system, run at once.
#pragma once

#include <thrust/system/cpp/execution_policy.h>

#include "host_cuda/heap.hpp"
#include "host_cuda/queue.hpp"

namespace host_cuda {

/// Device memory is open while the policy lives: pass it as a temporary.
struct ThrustPolicy : thrust::cpp::tag {
  DeviceAccess access;
};

}  // namespace host_cuda
