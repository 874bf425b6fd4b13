#include "host_cuda/host_cuda.hpp"
#include "support/faults.hpp"

namespace natgrad::faults {

const char* device() noexcept { return "cuda"; }
bool in_foreign_code() noexcept { return host_cuda::inside_call(); }
void fail_on_device(std::int64_t i, bool all_after) { host_cuda::fail_allocation(i, all_after); }
std::int64_t asked_for_on_device() { return host_cuda::allocations_asked_for(); }
std::int64_t live_on_device() { return host_cuda::live_allocations(); }

}  // namespace natgrad::faults
