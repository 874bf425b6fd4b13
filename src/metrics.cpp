#include "natgrad/metrics.hpp"

#include <optional>

#include "io/json.hpp"
#include "io/line_file.hpp"

namespace natgrad {
namespace {

void add(JsonObject& json, const std::string& prefix, const std::optional<Evaluation>& found) {
  if (!found) return;
  const Evaluation& evaluation = *found;
  json.add(prefix + "_loss", evaluation.loss);
  if (evaluation.accuracy) json.add(prefix + "_accuracy", *evaluation.accuracy);
  if (evaluation.squared_error) json.add(prefix + "_squared_error", *evaluation.squared_error);
}

}  // namespace

std::string to_json(const StepRecord& record) {
  const StepReport& r = record.report;  // NaN is written as null
  JsonObject json;
  json.add("step", record.step);
  json.add("epoch", record.epoch);
  json.add("loss", r.loss);
  json.add("new_loss", r.new_loss);
  json.add("kl_budget", r.kl_budget);
  json.add("kl_model", r.kl_model);
  json.add("kl_measured", r.kl_measured);
  json.add("beta", r.beta);
  json.add("damping", r.damping);
  json.add("rho", r.rho);
  json.add("momentum", r.momentum);
  json.add("backtracks", r.backtracks);
  json.add("rejected", r.rejected);
  json.add("solver", r.solver);
  json.add("solver_retries", r.solver_retries);
  json.add("iterations", r.iterations);
  json.add("residual", r.residual);
  json.add("rank", r.rank);
  json.add("condition", r.condition);
  json.add("smallest_eigenvalue", r.smallest_eigenvalue);
  json.add("grad_norm", r.grad_norm);
  json.add("step_norm", r.step_norm);
  json.add("seconds", record.seconds);
  json.add("synchronizations", record.synchronizations);
  json.add("allocations", record.allocations);
  json.add("graph_launches", record.graph_launches);
  JsonObject phases;
  for (std::size_t i = 0; i < record.phases.size(); ++i)
    phases.add(to_string(static_cast<Phase>(i)), record.phases[i]);
  json.add("phases", phases);
  if (!r.note.empty()) json.add("note", r.note);
  return json.text();
}

std::string to_json(const EvaluationRecord& record) {
  JsonObject json;
  json.add("step", record.step);
  add(json, "train", record.train);
  add(json, "test", record.test);
  add(json, "average_train", record.average_train);
  add(json, "average_test", record.average_test);
  return json.text();
}

MetricsWriter::MetricsWriter(const std::string& path) : file_(std::make_unique<LineFile>(path)) {}
MetricsWriter::MetricsWriter(const std::string& path, Index bytes)
    : file_(std::make_unique<LineFile>(path, bytes)) {}
MetricsWriter::MetricsWriter(MetricsWriter&&) noexcept = default;
MetricsWriter& MetricsWriter::operator=(MetricsWriter&&) noexcept = default;
MetricsWriter::~MetricsWriter() = default;

void MetricsWriter::write(const StepRecord& record) { file_->append(to_json(record)); }
void MetricsWriter::write(const EvaluationRecord& record) { file_->append(to_json(record)); }
Index MetricsWriter::bytes() const { return file_->bytes(); }
void MetricsWriter::flush() const { file_->flush(); }

}  // namespace natgrad
