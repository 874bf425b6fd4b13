/// Device: memory, scalars, synchronisations and phases.
#include <gtest/gtest.h>

#include <numeric>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using Memory = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Memory, ::testing::ValuesIn(backend_cases()), backend_case_name);

TEST_P(Memory, NamesItself) {
  run([]<class R>(Backend<R>& backend) {
    EXPECT_FALSE(backend.name().empty());
    EXPECT_NE(backend.description().find(backend.name().substr(0, backend.name().find(':'))),
              std::string::npos)
        << backend.description();
    EXPECT_EQ(backend.description().find('\n'), std::string::npos) << backend.description();
  });
}

TEST_P(Memory, ReturnsWhatWasUploaded) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index size : {0, 1, 2, 31, 33, 597 * 43}) {
      std::vector<R> host = Random(1).matrix<R>(size, 1).data;
      const std::vector<R> original = host;
      Buffer<R> buffer(backend, size);
      buffer.upload(host.data());
      std::fill(host.begin(), host.end(), R(0));  // the host memory may be reused at once
      EXPECT_EQ(buffer.download(), original) << "size " << size;
    }
  });
}

TEST_P(Memory, CountsBytesAndGivesThemBack) {
  run([]<class R>(Backend<R>& backend) {
    const std::size_t before = backend.bytes_in_use(), allocations = backend.allocations();
    {
      Buffer<R> first(backend, 1000);
      EXPECT_EQ(backend.bytes_in_use(), before + 1000 * sizeof(R));
      Buffer<R> moved = std::move(first);
      EXPECT_EQ(backend.bytes_in_use(), before + 1000 * sizeof(R)) << "a moved buffer is counted once";
      Buffer<R> second(backend, 500);
      EXPECT_EQ(backend.bytes_in_use(), before + 1500 * sizeof(R));
      EXPECT_EQ(backend.allocations(), allocations + 2);
    }
    EXPECT_EQ(backend.bytes_in_use(), before);
    EXPECT_GE(backend.peak_bytes(), before + 1500 * sizeof(R));
    EXPECT_EQ(backend.allocations(), allocations + 2) << "allocations are counted, not the live ones";
  });
}

TEST_P(Memory, ReserveGrowsOnlyWhereItMust) {
  run([]<class R>(Backend<R>& backend) {
    Buffer<R> buffer(backend, 10);
    const std::size_t allocations = backend.allocations();
    buffer.reserve(backend, 10);
    EXPECT_EQ(backend.allocations(), allocations);
    buffer.reserve(backend, 11);
    EXPECT_EQ(backend.allocations(), allocations + 1);
    EXPECT_EQ(buffer.size(), 11);
  });
}

TEST_P(Memory, RefusesMoreThanThereIsNamingTheBytes) {
  run([]<class R>(Backend<R>& backend) {
    const std::size_t before = backend.bytes_in_use(), huge = std::size_t{1} << 60;
    try {
      backend.deallocate(backend.allocate(huge), huge);
      ADD_FAILURE() << "2^60 bytes were allocated";
    } catch (const OutOfMemory& error) {
      EXPECT_NE(std::string(error.what()).find(std::to_string(huge)), std::string::npos) << error.what();
    }
    EXPECT_EQ(backend.bytes_in_use(), before);
    Buffer<R> after(backend, 3);  // and the device can still be used
    const std::vector<R> values{1, 2, 3};
    after.upload(values.data());
    EXPECT_EQ(after.download(), values);
  });
}

/// The bytes that an OutOfMemory message calls free.
std::size_t bytes_free(const std::string& message) {
  const std::size_t end = message.find(" free"), begin = message.rfind(' ', end - 1);
  return std::stoull(message.substr(begin, end - begin));
}

// The system would grant both halves and kill the process that touches them.
TEST(CpuMemory, TwoAllocationsTogetherKeepToWhatThereIs) {
  const auto backend = make_cpu_backend<float>();
  std::size_t free = 0;
  try {
    backend->allocate(std::size_t{1} << 60);
  } catch (const OutOfMemory& error) {
    free = bytes_free(error.what());
  }
  ASSERT_GT(free, std::size_t{1} << 20);
  const std::size_t most = free / 2 + (std::size_t{1} << 19);
  void* first = backend->allocate(most);
  EXPECT_THROW(backend->deallocate(backend->allocate(most), most), OutOfMemory);
  backend->deallocate(first, most);
}

TEST_P(Memory, KeepsEverySlotApart) {
  run([]<class R>(Backend<R>& backend) {
    const auto slots = static_cast<int>(Slot::count_);
    for (int s = 0; s < slots; ++s)
      EXPECT_EQ(backend.read_scalars()[Slot(s)], 0.0) << "slot " << s << " at birth";
    for (int s = 0; s < slots; ++s) backend.set_scalar(Slot(s), s + 0.1);
    const Scalars scalars = backend.read_scalars();
    for (int s = 0; s < slots; ++s) EXPECT_EQ(scalars[Slot(s)], s + 0.1) << "slot " << s;
  });
}

TEST_P(Memory, ReadingScalarsIsOneSynchronization) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceVector<R> x(backend, Random(2).matrix<R>(33, 1));
    backend.synchronize();
    const std::size_t before = backend.synchronizations();
    backend.dot(x, x, Slot::gradient_norm2);
    backend.set_scalar(Slot::quadratic, 2.0);
    backend.step_size(1.0, 2.0);
    EXPECT_EQ(backend.synchronizations(), before) << "operations are enqueued";
    EXPECT_EQ(backend.read_scalars()[Slot::beta], 1.0);
    EXPECT_EQ(backend.synchronizations(), before + 1);
  });
}

TEST_P(Memory, TimeGoesToTheInnermostPhaseAndIsTakenOnce) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> a(backend, Random(3).matrix<R>(200, 200)), c(backend, 200, 200);
    {
      const PhaseScope outer(backend, Phase::fisher);
      const PhaseScope inner(backend, Phase::solve);
      for (int k = 0; k < 5; ++k) backend.gemm(Transpose::no, Transpose::no, R(1), a, a, R(0), c);
      backend.synchronize();
    }
    const PhaseSeconds seconds = backend.take_phase_seconds();
    EXPECT_GT(seconds[static_cast<std::size_t>(Phase::solve)], 0.0);
    EXPECT_LT(seconds[static_cast<std::size_t>(Phase::fisher)],
              seconds[static_cast<std::size_t>(Phase::solve)]);
    EXPECT_EQ(seconds[static_cast<std::size_t>(Phase::forward)], 0.0);
    const PhaseSeconds rest = backend.take_phase_seconds();
    EXPECT_EQ(std::accumulate(rest.begin(), rest.end(), 0.0), 0.0);
  });
}

}  // namespace
}  // namespace natgrad
