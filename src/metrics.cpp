#include "natgrad/metrics.hpp"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

namespace natgrad {
namespace {

using Json = nlohmann::ordered_json;  // keys in the order of the documentation

void add(Json& json, const std::string& prefix, const std::optional<Evaluation>& found) {
  if (!found) return;
  const Evaluation& evaluation = *found;
  json[prefix + "_loss"] = evaluation.loss;
  if (evaluation.accuracy) json[prefix + "_accuracy"] = *evaluation.accuracy;
  if (evaluation.squared_error) json[prefix + "_squared_error"] = *evaluation.squared_error;
}

}  // namespace

std::string to_json(const StepRecord& record) {
  const StepReport& r = record.report;  // NaN is written as null
  Json json = {{"step", record.step},
               {"epoch", record.epoch},
               {"loss", r.loss},
               {"new_loss", r.new_loss},
               {"kl_budget", r.kl_budget},
               {"kl_model", r.kl_model},
               {"kl_measured", r.kl_measured},
               {"beta", r.beta},
               {"damping", r.damping},
               {"rho", r.rho},
               {"momentum", r.momentum},
               {"backtracks", r.backtracks},
               {"rejected", r.rejected},
               {"solver", r.solver},
               {"solver_retries", r.solver_retries},
               {"iterations", r.iterations},
               {"residual", r.residual},
               {"rank", r.rank},
               {"condition", r.condition},
               {"smallest_eigenvalue", r.smallest_eigenvalue},
               {"grad_norm", r.grad_norm},
               {"step_norm", r.step_norm},
               {"seconds", record.seconds},
               {"synchronizations", record.synchronizations},
               {"allocations", record.allocations},
               {"graph_launches", record.graph_launches}};
  for (std::size_t i = 0; i < record.phases.size(); ++i)
    json["phases"][std::string(to_string(static_cast<Phase>(i)))] = record.phases[i];
  if (!r.note.empty()) json["note"] = r.note;
  return json.dump();
}

std::string to_json(const EvaluationRecord& record) {
  Json json = {{"step", record.step}};
  add(json, "train", record.train);
  add(json, "test", record.test);
  add(json, "average_train", record.average_train);
  add(json, "average_test", record.average_test);
  return json.dump();
}

MetricsWriter::MetricsWriter(const std::string& path) : path_(path), file_(path, std::ios::trunc) {
  if (!file_) throw DataError(path + ": cannot be written: " + std::strerror(errno));
}

void MetricsWriter::write_line(const std::string& line) {
  file_ << line << '\n' << std::flush;
  if (!file_) throw DataError(path_ + ": a line of metrics could not be written: " + std::strerror(errno));
}

}  // namespace natgrad
