/// The places of barriers: which a program reaches, and the one that it is to run without.
#pragma once

#include <set>
#include <source_location>
#include <string>
#include <utility>

namespace host_cuda {

class BarrierPlaces {
 public:
  /// NATGRAD_HOST_CUDA_DROP and NATGRAD_HOST_CUDA_BARRIERS of now. Throws KernelError where the former names
  /// no line.
  void read_environment();

  /// Notes the place; true where the barrier there is to do nothing.
  bool dropped(std::source_location at) { return active_ && look_up(at); }

 private:
  bool look_up(std::source_location at);

  bool active_ = false;
  std::string dropped_file_, record_;
  unsigned dropped_line_ = 0;
  std::set<std::pair<const char*, unsigned>> recorded_;  // file, line
};

}  // namespace host_cuda
