#include "host_cuda/queue.hpp"

#include <set>
#include <utility>

#include "host_cuda/api.hpp"
#include "host_cuda/heap.hpp"

struct CUstream_st {
  struct Operation {
    std::function<void()> run;
    host_cuda::Always always;
  };
  bool blocking;
  std::deque<Operation> operations{};
};

namespace host_cuda {
namespace {

struct Streams {
  CUstream_st null{.blocking = true};
  std::set<cudaStream_t> made{};
};

Streams& streams() {
  static Streams& instance = *new Streams;  // never destroyed: streams are destroyed while the program ends
  return instance;
}

CUstream_st& checked(cudaStream_t stream) {
  if (stream == nullptr) return streams().null;
  if (!streams().made.contains(stream))
    throw Fault(cudaErrorInvalidResourceHandle, "there is no such stream");
  return *stream;
}

void run_next(CUstream_st& stream);

void reach(Mark& mark) {
  while (!mark.reached) run_next(checked(mark.stream));
}

void run_next(CUstream_st& stream) {
  const auto next = std::move(stream.operations.front());
  stream.operations.pop_front();
  try {
    next.run();
  } catch (...) {
    auto dropped = std::exchange(stream.operations, {});
    for (const auto& operation : dropped)
      if (operation.always == Always::yes) operation.run();
    throw;
  }
}

void append(CUstream_st& stream, std::function<void()> operation, Always always) {
  stream.operations.push_back({std::move(operation), always});
}

std::shared_ptr<Mark> append_mark(CUstream_st& stream) {
  auto mark = std::make_shared<Mark>(Mark{&stream == &streams().null ? nullptr : &stream});
  append(
      stream,
      [mark] {
        mark->time = std::chrono::steady_clock::now();
        mark->reached = true;
      },
      Always::yes);
  return mark;
}

void order_after(CUstream_st& later, CUstream_st& earlier) {
  if (earlier.operations.empty()) return;
  append(
      later, [mark = append_mark(earlier)] { reach(*mark); }, Always::yes);
}

// The legacy default stream and the blocking streams wait for each other.
void order_with_null(CUstream_st& stream) {
  CUstream_st& null = streams().null;
  if (&stream == &null) {
    for (cudaStream_t other : streams().made)
      if (other->blocking) order_after(null, *other);
  } else if (stream.blocking) {
    order_after(stream, null);
  }
}

void run_all(CUstream_st& stream) {
  while (!stream.operations.empty()) run_next(stream);
}

template <class Work>
void with_device_memory(Work work) {
  {
    const DeviceAccess access;
    work();
  }
  heap().check();
}

}  // namespace

void enqueue(cudaStream_t stream, std::function<void()> operation, Always always) {
  CUstream_st& target = checked(stream);
  order_with_null(target);
  append(target, std::move(operation), always);
}

std::shared_ptr<Mark> mark(cudaStream_t stream) {
  CUstream_st& target = checked(stream);
  order_with_null(target);
  return append_mark(target);
}

void wait(cudaStream_t stream, std::shared_ptr<Mark> mark) {
  enqueue(
      stream, [mark = std::move(mark)] { reach(*mark); }, Always::yes);
}

void drain(cudaStream_t stream) {
  CUstream_st& target = checked(stream);
  with_device_memory([&] { run_all(target); });
}

void drain_all() {
  with_device_memory([] {
    run_all(streams().null);
    for (cudaStream_t stream : streams().made) run_all(*stream);
  });
}

void drain_to(Mark& mark) {
  with_device_memory([&] { reach(mark); });
}

void step(cudaStream_t stream) {
  CUstream_st& target = checked(stream);
  if (!target.operations.empty()) with_device_memory([&] { run_next(target); });
}

bool is_idle(cudaStream_t stream) { return checked(stream).operations.empty(); }

cudaStream_t make_stream(bool blocking) {
  return *streams().made.insert(new CUstream_st{.blocking = blocking}).first;
}

void destroy_stream(cudaStream_t stream) {
  CUstream_st& target = checked(stream);
  require(stream != nullptr, "the null stream cannot be destroyed");
  try {
    drain(stream);
  } catch (...) {
    streams().made.erase(stream);
    delete &target;
    throw;
  }
  streams().made.erase(stream);
  delete &target;
}

}  // namespace host_cuda
