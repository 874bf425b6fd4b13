#include "host_cuda/fibre.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace host_cuda {
namespace {

namespace context = boost::context::detail;

constexpr std::size_t page = 4096, stack_size = std::size_t{256} << 10;

}  // namespace

Fibre::Fibre(std::function<void()> work) : work_(std::move(work)) {
  void* mapping = mmap(nullptr, page + stack_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED || mprotect(mapping, page, PROT_NONE) != 0) throw std::bad_alloc();
  mapping_ = static_cast<std::byte*>(mapping);
  colour_ = reinterpret_cast<std::uintptr_t>(mapping) / (page + stack_size) % 32 * 128;
  abandon();
}

Fibre::~Fibre() { munmap(mapping_, page + stack_size); }

void Fibre::abandon() {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(mapping_ + page, stack_size);
  fake_stack_ = nullptr;
#endif
  if (tsan_) tsan_->join();
  tsan_.emplace();
  inside_ =
      context::make_fcontext(mapping_ + page + stack_size - colour_, stack_size - colour_, &Fibre::main);
  idle_ = true;
}

void Fibre::main(context::transfer_t caller) {
  auto* self = static_cast<Fibre*>(caller.data);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &self->outside_stack_, &self->outside_stack_size_);
#endif
  self->outside_ = caller.fctx;
  for (;;) {
    self->idle_ = false;
    self->work_();
    self->idle_ = true;
    self->suspend();
  }
}

void Fibre::resume() {
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, mapping_ + page, stack_size);
#endif
  tsan_->enter();
  inside_ = context::jump_fcontext(inside_, this).fctx;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

void Fibre::suspend() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fake_stack_, outside_stack_, outside_stack_size_);
#endif
  tsan_->leave();
  outside_ = context::jump_fcontext(outside_, nullptr).fctx;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack_, &outside_stack_, &outside_stack_size_);
#endif
}

}  // namespace host_cuda
