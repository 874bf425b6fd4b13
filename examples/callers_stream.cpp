// Device pointers and a stream of the caller's: a batch that is already on the GPU goes in, the
// natural-gradient direction comes out as a device pointer, and everything is ordered on the caller's stream.
#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <natgrad/natgrad.hpp>
#include <stdexcept>
#include <vector>

namespace {

void check(cudaError_t status) {
  if (status != cudaSuccess) throw natgrad::DeviceError(cudaGetErrorString(status));
}

}  // namespace

int main() {
  using namespace natgrad;
  constexpr Index samples = 200;
  std::vector<float> x(samples), y(samples);  // y = sin 3x
  for (Index n = 0; n < samples; ++n) {
    x[static_cast<std::size_t>(n)] = 2.0f * static_cast<float>(n) / samples - 1.0f;
    y[static_cast<std::size_t>(n)] = std::sin(3.0f * x[static_cast<std::size_t>(n)]);
  }
  try {
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    float *device_x = nullptr, *device_y = nullptr;
    for (auto [device, host] : {std::pair{&device_x, &x}, std::pair{&device_y, &y}}) {
      check(cudaMallocAsync(reinterpret_cast<void**>(device), samples * sizeof(float), stream));
      check(cudaMemcpyAsync(*device, host->data(), samples * sizeof(float), cudaMemcpyHostToDevice, stream));
    }
    {
      const auto backend = make_cuda_backend<float>(0, stream);
      const NetworkShape shape{{1, 10, 1}, {Activation::tanh}};
      Network<float> net(*backend, shape);
      net.set_parameters(initial_parameters(shape, Init::lecun, 1));
      NaturalGradient<float> optimizer(net, Likelihood::gaussian, {.kl = 1.0});
      StepReport report;
      for (int step = 0; step < 30; ++step)
        report = optimizer.step({{device_x, 1, samples}, {device_y, 1, samples}});

      const float* direction = optimizer.direction().data;  // on the device, P floats
      float first = 0.0f;
      check(cudaMemcpyAsync(&first, direction, sizeof first, cudaMemcpyDeviceToHost, stream));
      check(cudaStreamSynchronize(stream));
      std::printf("loss %.3g after 30 steps; the last direction begins with %g\n", report.new_loss, first);
    }
    check(cudaFreeAsync(device_x, stream));
    check(cudaFreeAsync(device_y, stream));
    check(cudaStreamSynchronize(stream));
    check(cudaStreamDestroy(stream));
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
