/// Operations replayed as CUDA graphs give what they give one by one.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "support/backends.hpp"
#include "support/course.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"

namespace natgrad {
namespace {

class Replay : public BackendTest {
 protected:
  /// Calls body(with graphs, without).
  template <class Body>
  void run_both(Body body) const {
    CudaOptions options = cuda_options_under_test(GetParam().backend);
    const auto both = [&]<class R>(R) {
      const auto graphs = make_cuda_backend<R>(0, nullptr, options);
      options.graph = false;
      body(*graphs, *make_cuda_backend<R>(0, nullptr, options));
    };
    if (GetParam().f64)
      both(double());
    else
      both(float());
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, Replay, ::testing::ValuesIn(cuda_cases()), backend_case_name);

template <class R>
bool same_bits(const std::vector<R>& a, const std::vector<R>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(R)) == 0;
}

/// Two vectors and stretches of operations on them.
template <class R>
struct Work {
  Backend<R>& backend;
  DeviceVector<R> x, y;

  explicit Work(Backend<R>& backend_of)
      : backend(backend_of),
        x(backend_of, Random(1).matrix<R>(33, 1)),
        y(backend_of, Random(2).matrix<R>(33, 1)) {}

  /// The first `length` of six operations, of two kinds of stretches that begin equally.
  void stretch(int kind, int length, R alpha) {
    const auto enqueue = [&](int i) {
      switch (i) {
        case 0:
          return backend.axpy(alpha, x, y);
        case 1:
          return backend.scale(R(0.5), y);
        case 2:
          return backend.dot(x, y, Slot::gradient_step);
        case 3:
          return kind == 0 ? backend.dot(y, y, Slot::step_norm2) : backend.dot(x, x, Slot::step_norm2);
        case 4:
          return backend.set_scalar(Slot::quadratic, 2.0 + static_cast<double>(alpha));
        default:
          return backend.step_size(1.0, 10.0);
      }
    };
    for (int i = 0; i < length; ++i) enqueue(i);
  }
};

TEST_P(Replay, BeginsWithTheThirdTime) {
  run_both([]<class R>(Backend<R>& graphs, Backend<R>& single) {
    Work<R> replayed(graphs), plain(single);
    for (int k = 0; k < 5; ++k) {
      for (Work<R>* work : {&replayed, &plain}) work->stretch(0, 6, R(0.25));
      EXPECT_EQ(graphs.read_scalars().values, single.read_scalars().values);
      EXPECT_EQ(graphs.graph_launches(), static_cast<std::size_t>(std::max(0, k - 1)));
    }
    EXPECT_EQ(single.graph_launches(), 0u);
    EXPECT_TRUE(same_bits(replayed.y.download().data, plain.y.download().data));
  });
}

TEST_P(Replay, TakesOverOtherNumbers) {
  run_both([]<class R>(Backend<R>& graphs, Backend<R>& single) {
    Work<R> replayed(graphs), plain(single);
    for (const double alpha : {0.5, 0.5, 0.5, 0.5, 0.5, -0.25, 0.125, 0.125, 0.5}) {
      for (Work<R>* work : {&replayed, &plain}) work->stretch(0, 6, static_cast<R>(alpha));
      EXPECT_EQ(graphs.read_scalars().values, single.read_scalars().values) << alpha;
    }
    EXPECT_EQ(graphs.graph_launches(), 7u);
    EXPECT_TRUE(same_bits(replayed.y.download().data, plain.y.download().data));
  });
}

TEST_P(Replay, IsGivenUpWhereEveryNumberIsAnotherOne) {
  run_both([]<class R>(Backend<R>& graphs, Backend<R>& single) {
    Work<R> replayed(graphs), plain(single);
    for (int k = 0; k < 30; ++k) {
      for (Work<R>* work : {&replayed, &plain}) work->stretch(0, 6, R(1) / static_cast<R>(k + 1));
      EXPECT_EQ(graphs.read_scalars().values, single.read_scalars().values) << k;
    }
    EXPECT_EQ(graphs.graph_launches(), 16u);
    EXPECT_TRUE(same_bits(replayed.y.download().data, plain.y.download().data));
  });
}

TEST_P(Replay, OfAnyCourseOfStretchesChangesNoBit) {
  run_both([]<class R>(Backend<R>& graphs, Backend<R>& single) {
    Work<R> replayed(graphs), plain(single);
    std::mt19937 random(3);
    for (int k = 0; k < 60; ++k) {
      const int kind = static_cast<int>(random() % 2), length = 3 + static_cast<int>(random() % 4);
      const R alpha = random() % 3 == 0 ? R(-0.5) : R(0.25);
      for (Work<R>* work : {&replayed, &plain}) work->stretch(kind, length, alpha);
      ASSERT_EQ(graphs.read_scalars().values, single.read_scalars().values) << "stretch " << k;
    }
    EXPECT_GT(graphs.graph_launches(), 20u);
    EXPECT_TRUE(same_bits(replayed.y.download().data, plain.y.download().data));
  });
}

TEST_P(Replay, RunsWhatIsWithheldBeforeMemoryIsFreedOrDownloaded) {
  run_both([]<class R>(Backend<R>& graphs, Backend<R>&) {
    DeviceVector<R> kept(graphs, 33);
    for (int k = 0; k < 4; ++k) {
      const DeviceVector<R> passing(graphs, Random(4).matrix<R>(33, 1));
      for (int i = 0; i < 4; ++i) graphs.copy(passing.view(), kept.view());
    }
    EXPECT_TRUE(same_bits(kept.download().data, Random(4).matrix<R>(33, 1).data));
  });
}

TEST_P(Replay, OfStepsChangesNoBitAndWaitsOnceATry) {
  run_both([]<class R>(Backend<R>& graphs, Backend<R>& single) {
    for (const Structure structure : {Structure::dense, Structure::gram, Structure::layer, Structure::unit,
                                      Structure::kronecker, Structure::ekfac, Structure::diagonal})
      for (const ScoreKind kind : {ScoreKind::exact, ScoreKind::mc}) {
        const NaturalGradientOptions options{.kind = kind, .fisher = {.structure = structure}, .kl = 0.05};
        constexpr int steps = 12;
        const std::size_t launches = graphs.graph_launches();
        const oracle::Problem problem =
            random_problem<R>({{4, 5, 3}, {Activation::tanh}, Likelihood::categorical, 33}, 7);
        const Course<R> replayed = train(graphs, problem, options, steps),
                        plain = train(single, problem, options, steps);
        const auto where = [&] {
          return std::string(to_string(structure)) + ", " + std::string(to_string(kind));
        };
        EXPECT_TRUE(same_bits(replayed.parameters, plain.parameters)) << where();
        for (std::size_t k = 0; k < plain.reports.size(); ++k) {
          EXPECT_EQ(replayed.reports[k].new_loss, plain.reports[k].new_loss) << where() << ", step " << k;
          EXPECT_EQ(replayed.reports[k].rejected, plain.reports[k].rejected) << where() << ", step " << k;
        }
        EXPECT_EQ(replayed.synchronizations, replayed.tries) << where();
        EXPECT_EQ(replayed.allocations, 0u) << where();
        EXPECT_GE(graphs.graph_launches() - launches, static_cast<std::size_t>(steps - 4)) << where();
      }
  });
}

TEST_P(Replay, NeverTouchesACallersStream) {
  run([]<class R>(Backend<R>&) {
    cudaStream_t stream = nullptr;
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    {
      const auto backend = make_cuda_backend<R>(0, stream);
      Work<R> work(*backend);
      for (int k = 0; k < 5; ++k) {
        work.stretch(0, 6, R(0.25));
        backend->read_scalars();
      }
      EXPECT_EQ(backend->graph_launches(), 0u);
    }
    EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  });
}

}  // namespace
}  // namespace natgrad
