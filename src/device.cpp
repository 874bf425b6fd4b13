#include "natgrad/device.hpp"

#include <algorithm>

#include "names.hpp"
#include "natgrad/error.hpp"

namespace natgrad {
namespace {

constexpr Name<Phase> phase_names[] = {
    {Phase::forward, "forward"},   {Phase::scores, "scores"}, {Phase::fisher, "fisher"},
    {Phase::factor, "factor"},     {Phase::solve, "solve"},   {Phase::line_search, "line_search"},
    {Phase::evaluate, "evaluate"}, {Phase::io, "io"},         {Phase::graph, "graph"}};

}  // namespace

std::string_view to_string(Phase phase) { return name_of(phase_names, phase); }

void* Device::allocate(std::size_t bytes) {
  if (const std::size_t left = limit_ - std::min(limit_, bytes_in_use_); bytes > left)
    throw OutOfMemory(
        name() + ": " + std::to_string(bytes) + " bytes wanted, " + std::to_string(left) + " of " +
        std::to_string(limit_) +
        " allowed are left; try a higher --memory-limit, a smaller --batch or another structure");
  void* memory = allocate_bytes(bytes);
  ++allocations_;
  bytes_in_use_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, bytes_in_use_);
  return memory;
}

void Device::deallocate(void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr) return;
  deallocate_bytes(memory);
  bytes_in_use_ -= bytes;
}

}  // namespace natgrad
