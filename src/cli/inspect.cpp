/// natgrad inspect: one natural-gradient step on one batch, with nothing hidden.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/model_options.hpp"
#include "cli/resolve.hpp"
#include "cli/run_directory.hpp"
#include "io/npy.hpp"

namespace natgrad::cli {
namespace {

std::string to_json(const StepReport& report, Index parameters, Index samples, Index rows) {
  const nlohmann::ordered_json json = {{"P", parameters},
                                       {"N", samples},
                                       {"rows", rows},
                                       {"loss", report.loss},
                                       {"grad_norm", report.grad_norm},
                                       {"damping", report.damping},
                                       {"quadratic", report.quadratic},
                                       {"beta", report.beta},
                                       {"kl_model", report.kl_model},
                                       {"kl_measured", report.kl_measured},
                                       {"momentum", report.momentum},
                                       {"backtracks", report.backtracks},
                                       {"accepted", !report.rejected},
                                       {"new_loss", report.new_loss},
                                       {"solver", report.solver},
                                       {"solver_retries", report.solver_retries},
                                       {"iterations", report.iterations},
                                       {"residual", report.residual},
                                       {"rank", report.rank},
                                       {"condition", report.condition},
                                       {"smallest_eigenvalue", report.smallest_eigenvalue}};
  return json.dump(2) + "\n";
}

/// The batch just as the files hold it.
template <class R>
Dataset<R> read_batch(const Options& options, Model model) {
  DataOptions files;
  files.train_x = options.x;
  files.train_y = options.y;
  files.max_decompressed = options.max_decompressed;
  model.input_scaling = model.target_scaling = {};
  model.class_names.clear();
  return load_data_for_model<R>(files, model, true);
}

template <class R>
void write_vector(const std::string& path, Backend<R>& backend, VectorView<const R> vector) {
  std::vector<R> host(static_cast<std::size_t>(vector.size));
  backend.download(host.data(), vector.data, host.size() * sizeof(R));
  write_npy<R>(path, {host.data(), vector.size, 1}, {vector.size});
}

template <class R>
void write_square(const std::string& path, const Buffer<R>& matrix, Index n) {
  const std::vector<R> host = matrix.download();
  write_npy<R>(path, {host.data(), n, n}, {n, n});
}

/// The files of P × P numbers that were asked for.
template <class R>
void write_matrices(const std::string& folder, Backend<R>& backend, Fisher<R>& fisher,
                    const StepReport& report, const Options& options) {
  if (!options.dump_fisher && !options.dump_inverse && !options.spectrum) return;
  const Index p = fisher.parameters();
  Buffer<R> matrix(backend, p * p);
  if (options.dump_inverse) {
    // As the step solved; η joins λ there.
    const SolveMethod method = report.solver == "eigen" ? SolveMethod::eigen : SolveMethod::cholesky;
    fisher.inverse(method, report.damping + options.l2, matrix.matrix(p, p));
    write_square(folder + "/inverse.npy", matrix, p);
  }
  fisher.to_dense(matrix.matrix(p, p));
  if (options.dump_fisher) write_square(folder + "/fisher.npy", matrix, p);
  if (!options.spectrum) return;
  Buffer<R> eigenvalues(backend, p);
  backend.set_scalar(Slot::factor_info, 0.0);
  backend.eigen(matrix.matrix(p, p), eigenvalues.vector());  // the vectors overwrite the matrix
  if (backend.read_scalars()[Slot::factor_info] != 0.0)
    throw NumericError(fmt::format(
        "--spectrum: the eigenvalues of the {0} x {0} Fisher did not converge; try --precision f64", p));
  write_vector<R>(folder + "/eigenvalues.npy", backend, eigenvalues.vector());
}

/// The options of a step that is to be right rather than fast.
NaturalGradientOptions step_options(const Options& options, Index parameters) {
  NaturalGradientOptions result = natural_gradient_options(options);
  result.damping.schedule = DampingSchedule::constant;
  if (!options.cg_tolerance) result.fisher.tolerance = 1e-16;
  if (!options.cg_iterations)
    result.fisher.max_iterations = static_cast<int>(std::clamp<Index>(10 * parameters, 1000, 1'000'000'000));
  return result;
}

template <class R>
int inspect_in_precision(const Options& options) {
  std::string device;
  const auto backend = open_device<R>(options, &device);
  if (!options.quiet) print_error(fmt::format("device: {}\n", device));
  warn_of_gpu_options(options, backend->name());
  const Model model = read_model(options.weights, options);
  const DeviceDataset<R> data(*backend, read_batch<R>(options, model));
  Network<R> net(*backend, shape_of(model));
  net.set_parameters(model.parameters);
  const NaturalGradientOptions natural = step_options(options, net.shape().parameters());
  NaturalGradient<R> optimizer(net, *model.likelihood, natural);
  const StepReport report = optimizer.step(data.batch());
  if (!report.note.empty()) print_error("natgrad: warning: " + report.note + "\n");

  const ScoreSpec spec{natural.kind, natural.draws, {}};
  const Index part = natural.fisher_batch == 0 ? data.samples : std::min(natural.fisher_batch, data.samples);
  const Index rows = part * spec.rows_per_sample(*model.likelihood, net.shape().outputs());
  const std::string json = to_json(report, net.shape().parameters(), data.samples, rows);
  make_directory(options.out);
  write_vector(options.out + "/gradient.npy", *backend, optimizer.gradient());
  write_vector(options.out + "/direction.npy", *backend, optimizer.direction());
  write_matrices(options.out, *backend, optimizer.fisher(), report, options);
  write_text(options.out + "/step.json", json);
  if (!options.quiet) print_out(json);
  return 0;
}

}  // namespace

int run_inspect(Options options) {
  for (const char* name : {"weights", "x", "y", "out"}) require_given(options, name);
  drop_idle_options(inspect, options);
  resolve_device(options);
  return with_precision(options, [&]<class R>() { return inspect_in_precision<R>(options); });
}

}  // namespace natgrad::cli
