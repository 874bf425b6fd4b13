/// Sizes that no memory holds, or that exceed what a library counts to, are refused before anything is done.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "natgrad/plan.hpp"
#include "reliability/small_training.hpp"
#include "support/faults.hpp"
#include "support/figure.hpp"

namespace natgrad {
namespace {

using faults::Memory;

/// Expects an E within a second, and no memory of the device left in use.
template <class E, class Body>
void expect_refusal(const std::string& what, Body body) {
  SCOPED_TRACE(what);
  const std::int64_t live = faults::live(Memory::device);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(body(), E);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  EXPECT_EQ(faults::live(Memory::device), live);
}

TEST(Limits, ProductsThatExceed64BitsAreCappedAndNotSmall) {
  EXPECT_EQ(capped_product(Index{1} << 32, Index{1} << 32), countless);
  EXPECT_EQ(capped_product(INT64_MAX, INT64_MAX, INT64_MAX), countless);
  EXPECT_EQ(capped_product(INT64_MAX, 0), 0);
  EXPECT_EQ(capped_product(3'000'000'000, 7), 21'000'000'000);
}

TEST(Limits, AbsurdSizesAreRefusedByEveryPartOfTheLibrary) {
  const auto backend = make_backend<float>(faults::device(), 1);
  const std::size_t before = backend->bytes_in_use();
  const NetworkShape wide{{1'000'000'000, 1'000'000'000, 10}, {Activation::tanh}};
  expect_refusal<OutOfMemory>("a network", [&] { Network<float>(*backend, wide); });
  expect_refusal<UsageError>("a width beyond 2^31", [&] {
    NetworkShape{{3, Index{1} << 31, 2}, {Activation::tanh}}.validate();
  });
  expect_refusal<OutOfMemory>("a buffer", [&] { Buffer<float>(*backend, countless); });
  expect_refusal<ShapeError>("a buffer of negative size", [&] { Buffer<float>(*backend, -1); });
  expect_refusal<OutOfMemory>("a host matrix", [] { HostMatrix<float>(Index{1} << 31, Index{1} << 29); });
  for (const Method& method : methods()) {
    if (!method.is_natural() || method.name == "diagonal") continue;
    // P = 2^32: P² wraps to 0 in 64 bits
    const RowsShape shape{{{(Index{1} << 16) - 1, Index{1} << 16}}, 1'000'000'000'000, 1};
    expect_refusal<OutOfMemory>(method.name, [&] { make_fisher(*backend, shape, method.natural.fisher); });
  }
  EXPECT_EQ(backend->bytes_in_use(), before);
}

/// Trains for some steps; the most device memory that was in use, which `limit` bounds.
std::size_t peak_of_training(const Method& method, std::size_t limit) {
  const auto backend = make_backend<float>(faults::device(), 1);
  backend->limit_memory(limit);
  Network<float> net(*backend, small_network());
  net.set_parameters(initial_parameters(small_network(), Init::lecun, 1));
  const auto optimizer = method.optimizer(net);
  Trainer<float>(net, Likelihood::categorical, *optimizer, small_data<float>(7), {}, {}, {.steps = 3}).run();
  return backend->peak_bytes();
}

TEST(Limits, TheMemoryLimitOfADeviceIsKeptToTheByte) {
  for (const Method& method : methods()) {
    SCOPED_TRACE(method.name);
    const std::size_t peak = peak_of_training(method, std::size_t{1} << 40);
    EXPECT_EQ(peak_of_training(method, peak), peak);
    const std::int64_t live = faults::live(Memory::device);
    EXPECT_THROW(peak_of_training(method, peak - 1), OutOfMemory);
    EXPECT_EQ(faults::live(Memory::device), live);
  }
  report_figure("Limits", fmt::format("memory limit of {}, {} optimisers: the peak's bytes run, one "
                                      "byte less is refused",
                                      faults::device(), methods().size()));
}

// P² and N·n exceed 64 bits.
TEST(Limits, PlansOfAbsurdRunsFitNoMemory) {
  for (const Index width : {Index{50'000}, Index{1'000'000'000}, Index{INT32_MAX}})
    for (const Method& method : methods()) {
      SCOPED_TRACE(fmt::format("{}, width {}", method.name, width));
      const RunShape run{.network = {{width, width, width, 10}, std::vector(2, Activation::tanh)},
                         .train_samples = 1'000'000'000'000,
                         .test_samples = 1'000'000'000'000};
      const RunPlan plan = method.name == "sgd"    ? plan_sgd(run)
                           : method.name == "adam" ? plan_adam(run)
                                                   : plan_natural_gradient(run, method.natural);
      EXPECT_GE(plan.bytes(),
                4.0 * std::min(1e12 * static_cast<double>(width), static_cast<double>(countless)));
      for (const PlannedBuffer& buffer : plan.buffers) EXPECT_GE(buffer.elements, 0) << buffer.name;
    }
}

TEST(Limits, OrdersBeyondALibrarysInterfaceAreRefused) {
  const auto backend = make_cpu_backend<float>(1);
  const MatrixView<float> large(nullptr, 32'767, 32'767);
  expect_refusal<ShapeError>("eigen", [&] { backend->eigen(large, {nullptr, large.rows}); });
  expect_refusal<ShapeError>("cholesky", [&] {
    backend->cholesky(BatchView<float>(MatrixView<float>(nullptr, Index{1} << 31, Index{1} << 31)));
  });
  expect_refusal<ShapeError>("a batch of cholesky",
                             [&] { backend->cholesky(BatchView<float>(nullptr, Index{1} << 31, 2)); });
}

// Elements beyond 2^31, in memory that is touched only at its end.
TEST(Limits, VectorsBeyond31BitsAreComputedToTheirEnd) {
  if (std::string(faults::device()) != "cpu") GTEST_SKIP() << "the host would take minutes";
  const auto backend = make_cpu_backend<float>(2);
  const Index size = (Index{1} << 31) + 5;
  if (backend->available_bytes() < 2 * static_cast<std::size_t>(size) * sizeof(float))
    GTEST_SKIP() << "not enough memory";
  Buffer<float> x(*backend, size);
  backend->fill(x.matrix(size, 1), 0.5F);
  backend->axpy(2.0F, x.vector().slice(0, size), x.vector());  // 1.5
  backend->dot(x.vector(), x.vector(), Slot::step_norm2);
  EXPECT_EQ(backend->read_scalars()[Slot::step_norm2], 2.25 * static_cast<double>(size));
  EXPECT_EQ(x.data()[size - 1], 1.5F);
  report_figure("Limits", fmt::format("fill, axpy and dot of {} elements: exact to the last", size));
}

}  // namespace
}  // namespace natgrad
