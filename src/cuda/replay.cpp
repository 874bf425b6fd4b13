#include "cuda/replay.hpp"

#include <algorithm>
#include <exception>

#include "natgrad/error.hpp"

namespace natgrad {
namespace {

constexpr std::size_t shortest = 4, longest = 4096;  // stretch that is worth a graph, in operations
constexpr std::size_t most_stretches = 16;           // kept in mind
constexpr int most_updates = 16;                     // of a graph, in a row

/// Sets a flag while it lives.
class Raised {
 public:
  explicit Raised(bool& flag) : flag_(flag) { flag_ = true; }
  ~Raised() { flag_ = false; }
  Raised(const Raised&) = delete;
  Raised& operator=(const Raised&) = delete;

 private:
  bool& flag_;
};

constexpr auto resemble_each_other = [](const auto& a, const auto& b) { return a == b || a->resembles(*b); };

GraphExecHandle instantiate(const GraphHandle& graph) {
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph.get(), 0), "cudaGraphInstantiate");
  return GraphExecHandle(executable);
}

// In place where CUDA can, which is cheaper.
void update(GraphExecHandle& executable, const GraphHandle& graph) {
  cudaGraphExecUpdateResultInfo result{};
  if (cudaGraphExecUpdate(executable.get(), graph.get(), &result) == cudaSuccess) return;
  cudaGetLastError();  // or the next launch would report it
  executable.reset();
  executable = instantiate(graph);
}

}  // namespace

// Whether some graph goes on, after what is withheld, with an operation like this one. Then it is withheld
// too.
bool Replay::follow(const Written& operation) {
  for (const Stretch& stretch : stretches_) {
    const Operations& known = stretch.operations;
    if (stretch.graph == nullptr || known.size() <= withheld_.size()) continue;
    const auto& next = known[withheld_.size()];
    if (!operation.resembles(*next) ||
        !std::equal(withheld_.begin(), withheld_.end(), known.begin(), resemble_each_other))
      continue;
    withheld_.push_back(operation.equals(*next) ? next : operation.copy());
    return true;
  }
  return false;
}

// They are the beginning of a stretch that follows none from now on.
void Replay::run_withheld() {
  const Raised raised(running_);
  for (auto& operation : std::exchange(withheld_, {})) {
    operation->run();
    write(std::move(operation));
  }
}

void Replay::write(std::shared_ptr<const Written> operation) {
  if (written_.size() < longest)
    written_.push_back(std::move(operation));
  else
    too_long_ = true;
}

void Replay::end_stretch(cudaStream_t stream) {
  if (is_withholding()) {
    const auto whole = std::ranges::find_if(stretches_, [&](const Stretch& stretch) {
      return stretch.graph != nullptr &&
             std::ranges::equal(stretch.operations, withheld_, resemble_each_other);
    });
    if (whole != stretches_.end()) {
      stretches_.splice(stretches_.begin(), stretches_, whole);
      launch(stretches_.front(), stream);
    } else {
      run_withheld();
    }
  }
  const Operations written = std::exchange(written_, {});
  if (!std::exchange(too_long_, false) && written.size() >= shortest) learn(written, stream);
}

// With the numbers of what is withheld. An update costs about as much as the launches that a graph saves:
// where numbers are others time after time, and not for a while, as λ in the first steps, there is nothing to
// gain.
void Replay::launch(Stretch& stretch, cudaStream_t stream) {
  if (withheld_ == stretch.operations) {
    stretch.updates = 0;
  } else {
    if (++stretch.updates > most_updates) {
      stretch.graph.reset();
      return run_withheld();
    }
    update(stretch.graph, capture(withheld_, stream));
    stretch.operations = withheld_;
  }
  withheld_.clear();
  check(cudaGraphLaunch(stretch.graph.get(), stream), "cudaGraphLaunch");
  ++launches_;
}

// A stretch that comes for the second time is captured. What cannot be (a library that waits for the device)
// runs as it comes for good.
void Replay::learn(const Operations& operations, cudaStream_t stream) {
  const auto known = std::ranges::find_if(stretches_, [&](const Stretch& stretch) {
    return std::ranges::equal(stretch.operations, operations, resemble_each_other);
  });
  if (known == stretches_.end()) {
    if (stretches_.size() == most_stretches) stretches_.pop_back();
    stretches_.push_front({operations});
    return;
  }
  stretches_.splice(stretches_.begin(), stretches_, known);
  if (std::exchange(known->captured, true)) return;
  try {
    known->graph = instantiate(capture(operations, stream));
    known->operations = operations;
  } catch (const Error&) {  // it stays without a graph
  }
}

// Throws where an operation cannot be captured.
GraphHandle Replay::capture(const Operations& operations, cudaStream_t stream) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  std::exception_ptr error;
  try {
    const Raised raised(running_);
    for (const auto& operation : operations) operation->run();
  } catch (...) {
    error = std::current_exception();
  }
  cudaGraph_t captured = nullptr;
  const cudaError_t status = cudaStreamEndCapture(stream, &captured);
  GraphHandle graph(captured);
  ++captures_;
  if (error) std::rethrow_exception(error);
  check(status, "cudaStreamEndCapture");
  return graph;
}

}  // namespace natgrad
