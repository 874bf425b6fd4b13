#include "host_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "natgrad/error.hpp"

namespace natgrad {
namespace {

constexpr std::size_t all = std::numeric_limits<std::size_t>::max();

std::size_t system_memory() {
  std::ifstream meminfo("/proc/meminfo");
  std::string name, unit;
  for (std::size_t value = 0; meminfo >> name >> value; std::getline(meminfo, unit))
    if (name == "MemAvailable:") return value * 1024;
  return all;
}

std::size_t group_memory() {
  std::size_t limit = 0, used = 0;
  if (!(std::ifstream("/sys/fs/cgroup/memory.max") >> limit)) return all;  // no limit reads "max"
  if (!(std::ifstream("/sys/fs/cgroup/memory.current") >> used)) return all;
  return limit - std::min(limit, used);
}

}  // namespace

std::size_t available_host_memory() { return std::min(system_memory(), group_memory()); }

void require_host_memory(std::size_t bytes, const std::string& what) {
  const std::size_t available = available_host_memory();
  if (bytes <= available) return;
  throw OutOfMemory(
      fmt::format("{}: {} bytes of host memory wanted, {} free; try fewer samples", what, bytes, available));
}

}  // namespace natgrad
