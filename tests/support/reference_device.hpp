/// Memory, scalars and time of the reference backend: host memory, poisoned with all-ones bytes on
/// allocation.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "natgrad/backend.hpp"

namespace natgrad {

template <class R>
class ReferenceDevice : public Backend<R> {
 public:
  std::string description() const override { return "reference (naive loops, long double)"; }
  std::string name() const override { return "reference"; }
  std::size_t available_bytes() const override { return std::numeric_limits<std::size_t>::max(); }
  void upload(void* device, const void* host, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(device, host, bytes);
  }
  void download(void* host, const void* device, std::size_t bytes) override {
    this->count_synchronization();
    if (bytes > 0) std::memcpy(host, device, bytes);
  }
  void synchronize() override { this->count_synchronization(); }
  Scalars read_scalars() override {
    this->count_synchronization();
    return scalars_;
  }
  void set_scalar(Slot name, double value) override { slot(name) = value; }
  void begin_phase(Phase phase) override {
    charge_innermost_phase();
    phases_.push_back(phase);
  }
  void end_phase() override {
    charge_innermost_phase();
    phases_.pop_back();
  }
  PhaseSeconds take_phase_seconds() override {
    this->count_synchronization();
    charge_innermost_phase();
    return std::exchange(seconds_, PhaseSeconds{});
  }

 protected:
  void* allocate_bytes(std::size_t bytes) override {
    void* memory = std::malloc(std::max<std::size_t>(bytes, 1));
    if (memory == nullptr)
      throw OutOfMemory("reference: " + std::to_string(bytes) +
                        " bytes could not be had; use smaller matrices");
    return std::memset(memory, 0xff, bytes);
  }
  void deallocate_bytes(void* memory) noexcept override { std::free(memory); }

  double& slot(Slot name) { return scalars_.values[static_cast<std::size_t>(name)]; }
  void set(Slot name, long double value) { slot(name) = static_cast<double>(value); }
  /// The first failure stays.
  void gather_info(int info) {
    if (slot(Slot::factor_info) == 0) slot(Slot::factor_info) = info;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void charge_innermost_phase() {
    const auto now = Clock::now();
    if (!phases_.empty())
      seconds_[static_cast<std::size_t>(phases_.back())] +=
          std::chrono::duration<double>(now - since_).count();
    since_ = now;
  }

  Scalars scalars_;
  PhaseSeconds seconds_{};
  std::vector<Phase> phases_;
  Clock::time_point since_ = Clock::now();
};

}  // namespace natgrad
