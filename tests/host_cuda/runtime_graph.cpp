/// CUDA runtime: stream capture and graphs.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "host_cuda/api.hpp"
#include "host_cuda/capture.hpp"
#include "host_cuda/queue.hpp"

using host_cuda::capture_of;
using host_cuda::Fault;
using host_cuda::Kind;
using host_cuda::mutable_counts;
using host_cuda::Nodes;
using host_cuda::runtime_call;

struct CUgraph_st {
  std::shared_ptr<Nodes> nodes;
};

struct CUgraphExec_st {
  std::shared_ptr<Nodes> nodes;             // a replay that is queued keeps those that it began with
  std::shared_ptr<host_cuda::Mark> last{};  // the end of the latest replay
};

namespace {

template <class Handle>
std::set<Handle>& made() {
  static auto& instance = *new std::set<Handle>;  // graphs are destroyed while the program ends
  return instance;
}

template <class Handle>
auto& checked(Handle handle) {
  if (!made<Handle>().contains(handle)) throw Fault(cudaErrorInvalidValue, "there is no such graph");
  return *handle;
}

template <class Handle>
void destroy(Handle handle) {
  delete &checked(handle);
  made<Handle>().erase(handle);
}

cudaGraphNodeType type_of(const CUgraphNode_st& node) {
  switch (node.kind) {
    case Kind::copy:
      return cudaGraphNodeTypeMemcpy;
    case Kind::fill:
      return cudaGraphNodeTypeMemset;
    default:
      return cudaGraphNodeTypeKernel;
  }
}

void count(Kind kind) {
  auto& counts = mutable_counts();
  ++(kind == Kind::kernel ? counts.launches : kind == Kind::library ? counts.library_calls : counts.copies);
}

/// cudaErrorStreamCaptureImplicit, without harm to the capture, for the null stream beside a blocking
/// capture.
cudaStreamCaptureStatus status_of(cudaStream_t stream) {
  host_cuda::is_idle(stream);  // refuses a stream that is not there
  if (stream == nullptr && host_cuda::a_blocking_stream_captures())
    throw Fault(cudaErrorStreamCaptureImplicit, "a blocking stream captures");
  const auto* capture = capture_of(stream);
  if (capture == nullptr) return cudaStreamCaptureStatusNone;
  return capture->invalidated ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
}

}  // namespace

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return runtime_call(__func__, [=] {
    host_cuda::begin_capture(stream, mode);
    ++mutable_counts().captures;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* pGraph) {
  return runtime_call(__func__, [=] {
    *pGraph = nullptr;
    auto nodes = std::make_shared<Nodes>(host_cuda::end_capture(stream));
    *pGraph = *made<cudaGraph_t>().insert(new CUgraph_st{std::move(nodes)}).first;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* pCaptureStatus) {
  return runtime_call(__func__, [=] { *pCaptureStatus = status_of(stream); });
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* captureStatus_out,
                                     unsigned long long* id_out, cudaGraph_t* graph_out,
                                     const cudaGraphNode_t** dependencies_out,
                                     const cudaGraphEdgeData** edgeData_out,
                                     std::size_t* numDependencies_out) {
  return runtime_call(__func__, [=] {
    if (graph_out != nullptr || dependencies_out != nullptr || edgeData_out != nullptr ||
        numDependencies_out != nullptr)
      throw Fault(cudaErrorNotSupported, "only the status and the id of a capture are known here");
    *captureStatus_out = status_of(stream);
    const auto* capture = capture_of(stream);
    if (id_out != nullptr && capture != nullptr) *id_out = capture->id;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* numNodes) {
  return runtime_call(__func__, [=] {
    Nodes& all = *checked(graph).nodes;
    if (nodes == nullptr) {
      *numNodes = all.size();
      return;
    }
    for (std::size_t i = 0; i < *numNodes; ++i) nodes[i] = i < all.size() ? &all[i] : nullptr;
    *numNodes = std::min(*numNodes, all.size());
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return runtime_call(__func__, [=] { destroy(graph); });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* pGraphExec, cudaGraph_t graph, unsigned long long flags) {
  return runtime_call(__func__, [=] {
    host_cuda::require(flags == 0, "no flags are known here");
    host_cuda::require_memory();
    auto* exec = new CUgraphExec_st{.nodes = checked(graph).nodes};
    *pGraphExec = *made<cudaGraphExec_t>().insert(exec).first;
    ++mutable_counts().instantiations;
  });
}

// As on a device (since CUDA 11.2), a kernel may become another one.
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t hGraphExec, cudaGraph_t hGraph,
                                cudaGraphExecUpdateResultInfo* resultInfo) {
  return runtime_call(__func__, [=] {
    auto& old_nodes = checked(hGraphExec).nodes;
    const auto& new_nodes = checked(hGraph).nodes;
    const auto fail = [=](cudaGraphExecUpdateResult result, cudaGraphNode_t node, const std::string& why) {
      *resultInfo = {.result = result, .errorNode = node, .errorFromNode = nullptr};
      throw Fault(cudaErrorGraphExecUpdateFailure, why);
    };
    if (old_nodes->size() != new_nodes->size())
      fail(cudaGraphExecUpdateErrorTopologyChanged, nullptr,
           std::to_string(new_nodes->size()) + " nodes instead of " + std::to_string(old_nodes->size()));
    for (std::size_t i = 0; i < new_nodes->size(); ++i)
      if (type_of((*old_nodes)[i]) != type_of((*new_nodes)[i]))
        fail(cudaGraphExecUpdateErrorNodeTypeChanged, &(*new_nodes)[i],
             "node " + std::to_string(i) + " is of another type");
    old_nodes = new_nodes;
    *resultInfo = {.result = cudaGraphExecUpdateSuccess, .errorNode = nullptr, .errorFromNode = nullptr};
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t graphExec, cudaStream_t stream) {
  return runtime_call(__func__, [=] {
    checked(graphExec);
    host_cuda::is_idle(stream);
    host_cuda::forbid_in_capture(stream);
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graphExec, cudaStream_t stream) {
  return runtime_call(__func__, [=] {
    CUgraphExec_st& exec = checked(graphExec);
    host_cuda::is_idle(stream);            // refuses a stream that is not there
    host_cuda::forbid_in_capture(stream);  // a device makes it a node, which is not known here
    if (exec.last != nullptr) host_cuda::wait(stream, exec.last);  // one replay at a time
    for (const auto& node : *exec.nodes) {
      host_cuda::enqueue(
          stream, [nodes = exec.nodes, &node] { node.run(); }, node.kind);
      count(node.kind);
    }
    exec.last = host_cuda::mark(stream);
    ++mutable_counts().graph_launches;
  });
}

// What is queued of it still runs.
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graphExec) {
  return runtime_call(__func__, [=] { destroy(graphExec); });
}
