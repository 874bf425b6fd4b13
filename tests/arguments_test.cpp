/// Arguments that make no sense, at the public entries: each ends in an error of natgrad's own, never in one
/// of the standard library's, a crash or a hang.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "natgrad/natgrad.hpp"

namespace natgrad {
namespace {

/// Throws E, and says why.
template <class E>
void refuses(const char* what, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << what << " was taken";
  } catch (const E& error) {
    EXPECT_GT(std::string(error.what()).size(), 20u) << what << ": " << error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << what << ": another error: " << error.what();
  }
}

constexpr Index huge = Index{1} << 40;

TEST(Arguments, SizesOfMemoryAreRefused) {
  const auto backend = make_cpu_backend<float>(1);
  refuses<ShapeError>("a matrix of −1 rows", [] { HostMatrix<float>(-1, 5); });
  refuses<ShapeError>("a matrix of 2⁸⁰ elements", [] { HostMatrix<float>(huge, huge); });
  refuses<OutOfMemory>("a matrix of 2⁵⁰ elements", [] { HostMatrix<float>(huge, 1024); });
  refuses<ShapeError>("a buffer of −1 elements", [&] { Buffer<float>(*backend, -1); });
  refuses<ShapeError>("a buffer of 2⁶¹ elements", [&] { Buffer<double>(*backend, Index{1} << 61); });
  refuses<OutOfMemory>("a buffer of 2⁵⁰ elements", [&] { Buffer<float>(*backend, Index{1} << 50); });
  const Buffer<float> four(*backend, 4);
  refuses<ShapeError>("a view of −1 × −2", [&] { four.matrix(-1, -2); });
  refuses<ShapeError>("a view of 5", [&] { four.matrix(1, 5); });
  Buffer<float> none(*backend, 0);
  none.upload(nullptr);
  EXPECT_TRUE(none.download().empty());
  refuses<UsageError>("−3 threads", [] { make_cpu_backend<float>(-3); });
  for (const char* device : {"", "gpu", "cuda:", "cuda:-1", "cuda:99999999999999"})
    refuses<UsageError>(device, [&] { make_backend<float>(device); });
}

TEST(Arguments, NetworksAreRefused) {
  const auto backend = make_cpu_backend<float>(1);
  for (const std::vector<Index>& widths :
       {std::vector<Index>{}, {3}, {0, 0}, {-3, 2}, {huge, huge}, {3, huge}}) {
    refuses<UsageError>("a network", [&] { Network<float>(*backend, {widths, {}}); });
    refuses<UsageError>("parameters", [&] { initial_parameters({widths, {}}, Init::he, 1); });
    refuses<UsageError>("a plan", [&] { plan_sgd({.network = {widths, {}}}); });
  }
  const NetworkShape large{{2000000000, 2000000000}, {}};
  refuses<OutOfMemory>("a large network", [&] { Network<float>(*backend, large); });
  refuses<OutOfMemory>("its parameters", [&] { initial_parameters(large, Init::he, 1); });
  Network<float> net(*backend, {{3, 2}, {}});
  refuses<ShapeError>("no parameters", [&] { net.set_parameters({}); });
  refuses<NumericError>("a parameter of 1e300 in f32", [&] { net.set_parameters(std::vector(8, 1e300)); });
  refuses<UsageError>("a plan of samples", [&] { plan_adam({.network = net.shape(), .train_samples = -5}); });
  refuses<UsageError>("a plan of bytes", [&] { plan_adam({.network = net.shape(), .number_bytes = 0}); });
}

TEST(Arguments, BatchesAreRefused) {
  const auto backend = make_cpu_backend<float>(1);
  Network<float> net(*backend, {{3, 4, 2}, {Activation::tanh}});
  const Buffer<float> memory(*backend, 100);
  backend->fill(memory.matrix(100, 1), 0.1f);
  const auto view = [&](Index rows, Index cols) {
    return MatrixView<const float>(memory.data(), rows, cols);
  };
  NaturalGradient<float> natural(net, Likelihood::gaussian, {});
  refuses<UsageError>("F before a step", [&] { natural.fisher(); });
  refuses<UsageError>("g before a step", [&] { natural.gradient(); });
  const auto sgd = make_sgd<float>(net, Likelihood::gaussian, {});
  const auto adam = make_adam<float>(net, Likelihood::gaussian, {});
  for (Optimizer<float>* optimizer : {static_cast<Optimizer<float>*>(&natural), sgd.get(), adam.get()}) {
    for (const Batch<float>& batch : {Batch<float>{},
                                      {view(3, 0), view(2, 0)},
                                      {view(3, -1), view(2, -1)},
                                      {view(4, 5), view(2, 5)},
                                      {view(3, 5), view(2, 4)},
                                      {view(3, 5), {}}})
      refuses<ShapeError>("a batch", [&] { optimizer->step(batch); });
    EXPECT_NO_THROW(optimizer->step({view(3, 5), view(2, 5)}));
  }
  GradientPass<float> pass(net, Likelihood::gaussian, 0.0);
  refuses<ShapeError>("rows before a pass", [&] { pass.empirical_rows({view(3, 5), view(2, 5)}); });
  refuses<ShapeError>("a gradient of no rows", [&] { pass.gradient({}); });
}

TEST(Arguments, RowsAreRefusedByEveryStructure) {
  const auto backend = make_cpu_backend<float>(1);
  Backend<float>& b = *backend;
  const Buffer<float> memory(b, 100);
  b.fill(memory.matrix(100, 1), 0.1f);
  const auto view = [&](Index rows, Index cols) {
    return MatrixView<const float>(memory.data(), rows, cols);
  };
  for (int s = 0; s <= static_cast<int>(Structure::diagonal); ++s) {
    const FisherOptions options{.structure = static_cast<Structure>(s)};
    SCOPED_TRACE(to_string(options.structure));
    for (const RowsShape& shape : {RowsShape{{{3, 2}}, -1, 1}, {{{3, 2}}, 4, -1}, {{{-3, 2}}, 2, 1}}) {
      refuses<ShapeError>("a shape", [&] { make_fisher<float>(b, shape, options); });
      refuses<ShapeError>("a plan", [&] { plan_fisher(shape, options); });
    }
    const RowsShape large{{{huge, huge}}, huge, 1000};
    refuses<OutOfMemory>("a large shape", [&] { make_fisher<float>(b, large, options); });
    DirectionSolver<float> solver(b, {.structure = options.structure});
    std::vector<float> d;
    const Rows<float> good{&b, {{view(2, 5), view(3, 5)}}, 1};
    refuses<UsageError>("rows of no backend", [&] { solver.solve({}, {}, 0.1, d); });
    refuses<ShapeError>("no layers", [&] { solver.solve({&b, {}, 1}, {}, 0.1, d); });
    refuses<ShapeError>("layers of other samples", [&] {
      solver.solve({&b, {{view(2, 5), view(3, 5)}, {view(2, 4), view(3, 4)}}, 1}, std::vector(18, 1.f), 0.1,
                   d);
    });
    refuses<ShapeError>("other rows per sample", [&] {
      solver.solve({&b, good.layers, 0}, std::vector(9, 1.f), 0.1, d);
    });
    refuses<ShapeError>("a short g", [&] { solver.solve(good, {1.f}, 0.1, d); });
    refuses<UsageError>("a damping of −1", [&] { solver.solve(good, std::vector(9, 1.f), -1.0, d); });
    const Rows<float> none{&b, {{view(2, 0), view(3, 0)}}, 1};
    for (const double damping : {0.0, 0.1})
      EXPECT_NO_THROW(solver.solve(none, std::vector(9, 1.f), damping, d));
  }
  float s[4] = {};
  refuses<UsageError>("no S", [&] { ExplicitRows<float>(b, nullptr, 4, 4, 4, 1, Memory::host); });
  refuses<ShapeError>("−1 rows", [&] { ExplicitRows<float>(b, s, -1, 4, 4, 1, Memory::host); });
  for (const Index stride : {0, 1, -2})
    refuses<ShapeError>("a stride", [&] { ExplicitRows<float>(b, s, 2, 2, stride, 1, Memory::host); });
}

TEST(Arguments, DataSetsAreRefused) {
  const auto backend = make_cpu_backend<float>(1);
  Network<float> net(*backend, {{3, 2}, {}});
  const auto sgd = make_sgd<float>(net, Likelihood::gaussian, {});
  const Dataset<float> good{HostMatrix<float>(3, 6), HostMatrix<float>(2, 6)}, none;
  const auto train = [&](const Dataset<float>& data, const Dataset<float>& test, const Scaling& scaling = {},
                         const TrainerOptions& options = {.steps = 1}) {
    return [&net, &sgd, data, test, scaling, options] {
      Trainer<float>(net, Likelihood::gaussian, *sgd, data, test, scaling, options).run();
    };
  };
  EXPECT_NO_THROW(train(good, none)());
  refuses<UsageError>("no data", train(none, none));
  refuses<UsageError>("a batch of more samples", train(good, none, {}, {.batch = 7, .steps = 1}));
  refuses<UsageError>("no limit", train(good, none, {}, {}));
  refuses<ShapeError>("other targets", train({HostMatrix<float>(3, 6), HostMatrix<float>(1, 6)}, none));
  refuses<ShapeError>("other features", train({HostMatrix<float>(2, 6), HostMatrix<float>(2, 6)}, none));
  refuses<ShapeError>("fewer targets", train({HostMatrix<float>(3, 6), HostMatrix<float>(2, 5)}, none));
  refuses<ShapeError>("no targets", train({HostMatrix<float>(3, 6), {}}, none));
  refuses<ShapeError>("another test set", train(good, {HostMatrix<float>(2, 6), HostMatrix<float>(2, 6)}));
  refuses<ShapeError>("another scaling", train(good, none, {{1, 2, 3}, {1, 2, 3}}));
  refuses<ShapeError>("half a scaling", train(good, none, {{1, 2}, {}}));
  Dataset<float> bad = good;
  bad.y(1, 4) = std::numeric_limits<float>::quiet_NaN();
  refuses<DataError>("a NaN", train(bad, none));
  bad = good;
  bad.x.data.resize(5);
  refuses<ShapeError>("a matrix without its elements", train(bad, none));
  const DeviceDataset<float> on_device(*backend, good);
  for (const Index batch : {-1, 0, 7})
    refuses<UsageError>("a batch", [&] { BatchStream<float>(*backend, on_device, batch, 1); });
  refuses<ShapeError>("samples beyond the end", [&] { on_device.batch(4, 5); });
}

TEST(Arguments, ModelsAndOptionsAreRefused) {
  refuses<ShapeError>("no model", [] { save_model("model", {}); });
  refuses<UsageError>("no model", [] { load_data_for_model<float>({}, {}, true); });
  refuses<DataError>("no path", [] { load_model(""); });
  refuses<UsageError>("no data", [] { load_data<float>({}); });
  refuses<UsageError>("bounds", [] { Damping({.least = 5.0, .most = 1.0}); });
  EXPECT_NO_THROW(choose_structure({}, 1.0));
}

}  // namespace
}  // namespace natgrad
