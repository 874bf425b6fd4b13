#include "host_cuda/barrier_places.hpp"

#include <cstdlib>
#include <fstream>
#include <string_view>

#include "host_cuda/host_cuda.hpp"

namespace host_cuda {
namespace {

std::string variable(const char* name) {
  const char* text = std::getenv(name);
  return text != nullptr ? text : "";
}

std::string_view last_component(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

void BarrierPlaces::read_environment() {
  if (const std::string path = variable("NATGRAD_HOST_CUDA_BARRIERS"); path != record_) {
    record_ = path;
    recorded_.clear();
  }
  const std::string place = variable("NATGRAD_HOST_CUDA_DROP");
  const std::size_t colon = place.rfind(':');
  dropped_file_ = place.substr(0, colon);
  dropped_line_ = colon == std::string::npos ? 0 : std::strtoul(place.c_str() + colon + 1, nullptr, 10);
  if (!place.empty() && dropped_line_ == 0)
    throw KernelError("NATGRAD_HOST_CUDA_DROP is \"" + place + "\"; it must be FILE:LINE");
  active_ = !record_.empty() || dropped_line_ != 0;
}

bool BarrierPlaces::look_up(std::source_location at) {
  if (!record_.empty() && recorded_.insert({at.file_name(), at.line()}).second)
    std::ofstream(record_, std::ios::app) << last_component(at.file_name()) << ':' << at.line() << '\n';
  return at.line() == dropped_line_ && last_component(at.file_name()) == dropped_file_;
}

}  // namespace host_cuda
