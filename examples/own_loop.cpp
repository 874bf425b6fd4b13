// The library's own loop: train the digits, step by step, on whatever device there is.
#include <natgrad/natgrad.hpp>

#include <cstdio>

int main() {
  using namespace natgrad;
  try {
    const auto backend = make_backend<float>("auto");
    const auto data = load_data<float>({.data = "digits", .test_fraction = 0.2});
    const DeviceDataset<float> train(*backend, data.train), test(*backend, data.test);

    const NetworkShape shape{{64, 32, 10}, {Activation::tanh}};
    Network<float> net(*backend, shape);
    net.set_parameters(initial_parameters(shape, Init::lecun, 1));
    NaturalGradient<float> optimizer(net, data.likelihood, {.kl = 0.1, .damping = {.start = 1e-2}});

    for (int step = 1; step <= 10; ++step) {
      const StepReport report = optimizer.step(train.batch());
      const Evaluation on_test = evaluate(net, data.likelihood, test, data.target_scaling);
      std::printf("step %2d  loss %.5f -> %.5f  KL %.4f of %.4f  test accuracy %.2f %%\n", step, report.loss,
                  report.new_loss, report.kl_measured, report.kl_budget, 100.0 * *on_test.accuracy);
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
