#include "host_cuda/queue.hpp"

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "host_cuda/api.hpp"
#include "host_cuda/capture.hpp"
#include "host_cuda/heap.hpp"

struct CUstream_st {
  struct Operation {
    std::function<void()> run;
    host_cuda::Kind kind;
  };
  bool blocking;
  std::deque<Operation> operations{};
};

namespace host_cuda {
namespace {

struct Streams {
  CUstream_st null{.blocking = true};
  std::vector<cudaStream_t> made{};
};

Streams& streams() {
  static Streams& instance = *new Streams;  // never destroyed: streams are destroyed while the program ends
  return instance;
}

CUstream_st& checked(cudaStream_t stream) {
  if (stream == nullptr) return streams().null;
  if (std::ranges::find(streams().made, stream) == streams().made.end())
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
      if (operation.kind == Kind::free || operation.kind == Kind::mark) operation.run();
    throw;
  }
}

/// The stream to advance when `wanted` has to: any with work where the streams are shuffled. Not for use
/// inside an operation, whose own stream must stand still.
CUstream_st& next_stream(CUstream_st& wanted) {
  const auto seed = environment("NATGRAD_HOST_CUDA_SHUFFLE", 0);
  if (seed == 0) return wanted;
  static std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  std::vector<CUstream_st*> busy;
  if (!streams().null.operations.empty()) busy.push_back(&streams().null);
  for (cudaStream_t stream : streams().made)
    if (!stream->operations.empty()) busy.push_back(stream);
  return *busy[random() % busy.size()];
}

void append(CUstream_st& stream, std::function<void()> operation, Kind kind) {
  stream.operations.push_back({std::move(operation), kind});
}

std::shared_ptr<Mark> append_mark(CUstream_st& stream) {
  auto mark = std::make_shared<Mark>(Mark{&stream == &streams().null ? nullptr : &stream});
  append(
      stream,
      [mark] {
        mark->time = std::chrono::steady_clock::now();
        mark->reached = true;
      },
      Kind::mark);
  return mark;
}

void order_after(CUstream_st& later, CUstream_st& earlier) {
  if (earlier.operations.empty()) return;
  append(
      later, [mark = append_mark(earlier)] { reach(*mark); }, Kind::mark);
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
  while (!stream.operations.empty()) run_next(next_stream(stream));
}

/// The capture that records what `stream` is given, or nullptr where that is queued.
Capture* recording(cudaStream_t stream) {
  checked(stream);
  Capture* const capture = capture_of(stream);
  if (capture != nullptr)
    require_valid(*capture);
  else
    forbid_in_capture(stream);
  return capture;
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

void enqueue(cudaStream_t stream, std::function<void()> operation, Kind kind) {
  if (Capture* capture = recording(stream)) {
    capture->nodes.push_back({std::move(operation), kind});
    return;
  }
  order_with_null(checked(stream));
  append(checked(stream), std::move(operation), kind);
}

std::shared_ptr<Mark> mark(cudaStream_t stream) {
  if (const Capture* capture = recording(stream)) return std::make_shared<Mark>(Mark{stream, capture->id});
  order_with_null(checked(stream));
  return append_mark(checked(stream));
}

void wait(cudaStream_t stream, std::shared_ptr<Mark> mark) {
  if (Capture* capture = recording(stream)) {
    if (mark->capture == capture->id) return;  // the stream's own order
    refuse(*capture, mark->capture == 0 ? cudaErrorStreamCaptureIsolation : cudaErrorStreamCaptureMerge,
           "the event was not recorded in this capture");
  }
  forbid_captured(*mark);  // on a device this stream would join the capture: it cannot here
  enqueue(
      stream, [mark = std::move(mark)] { reach(*mark); }, Kind::mark);
}

void drain(cudaStream_t stream) {
  const std::scoped_lock lock(api_lock());  // Thrust's policy comes without
  CUstream_st& target = checked(stream);
  forbid_in_capture(stream);
  with_device_memory([&] { run_all(target); });
}

void drain_all() {
  with_device_memory([] {
    run_all(streams().null);
    for (cudaStream_t stream : streams().made) run_all(*stream);
  });
}

void drain_to(Mark& mark) {
  with_device_memory([&] {
    while (!mark.reached) run_next(next_stream(checked(mark.stream)));
  });
}

void step(cudaStream_t stream) {
  CUstream_st& target = checked(stream);
  if (!target.operations.empty()) with_device_memory([&] { run_next(target); });
}

bool is_idle(cudaStream_t stream) { return checked(stream).operations.empty(); }

cudaStream_t make_stream(bool blocking) {
  return streams().made.emplace_back(new CUstream_st{.blocking = blocking});
}

void destroy_stream(cudaStream_t stream) {
  CUstream_st& target = checked(stream);
  require(stream != nullptr, "the null stream cannot be destroyed");
  drop_capture(stream);
  const auto erase = [&] {
    std::erase(streams().made, stream);
    delete &target;
  };
  try {
    drain(stream);
  } catch (...) {
    erase();
    throw;
  }
  erase();
}

bool is_blocking(cudaStream_t stream) { return checked(stream).blocking; }

}  // namespace host_cuda
