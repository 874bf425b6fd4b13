/// natgrad plan: what a run would take with each structure.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/model_options.hpp"
#include "cli/planning.hpp"
#include "cli/resolve.hpp"

namespace natgrad::cli {
namespace {

struct Row {
  std::string name;  // of a structure, or of an optimiser that has none
  RunPlan plan;
};

struct Facts {
  std::string device;
  MemoryLimit limit;
  double rate = 0.0;  // operations a second
  bool rate_given = false;
  std::vector<Row> rows;
  std::string chosen;                // the row that train would take
  std::optional<AutoChoice> choice;  // of structures
};

/// The plans of all structures, or of an optimiser that has none.
void add_plans(Facts& facts, const Options& options, const RunShape& run) {
  if (options.optimizer != "natural") {
    facts.rows = {{options.optimizer, plan_run(options, run)}};
    facts.chosen = options.optimizer;
    return;
  }
  const std::vector<StructurePlan> plans = plan_structures(options, run);
  for (const auto& [structure, plan] : plans) facts.rows.push_back({std::string(to_string(structure)), plan});
  facts.choice = choose_automatically(plans, facts.limit);
  facts.chosen = options.structure == "auto" ? to_string(facts.choice->structure) : options.structure;
}

std::string to_text(const Facts& facts) {
  std::string text = fmt::format("  {:<12} {:>10} {:>9} {:>12} {:>10} {:>10}  {}\n", "structure",
                                 "parameters", "rows", "FLOP a step", "bytes", "s a step", "fits");
  for (const auto& [name, plan] : facts.rows)
    text +=
        fmt::format("{} {:<12} {:>10} {:>9} {:>12} {:>10} {:>10.2g}  {}\n", name == facts.chosen ? '*' : ' ',
                    name, plan.parameters, plan.rows, flops_text(plan.flops), bytes_text(plan.bytes()),
                    plan.flops / facts.rate, plan.bytes() <= facts.limit.bytes ? "yes" : "no");
  text += fmt::format(
      "\nFits: {}. Seconds: the FLOP at {:.3g} GFLOP/s, the rate of a large product, {};\n"
      "eigendecompositions and small matrices run slower. matrix-free: for 20 iterations a solve.\n",
      limit_text(facts.limit), facts.rate * 1e-9, facts.rate_given ? "given" : "measured here");
  if (facts.choice)
    text += fmt::format("--structure auto takes {}: {}.\n", to_string(facts.choice->structure),
                        facts.choice->reason);
  return text;
}

std::string to_json(const Facts& facts) {
  nlohmann::ordered_json json = {{"device", facts.device},
                                 {"memory_limit", facts.limit.bytes},
                                 {"gemm_rate", facts.rate * 1e-9},
                                 {"chosen", facts.chosen}};
  if (facts.choice)
    json["auto"] = {{"structure", to_string(facts.choice->structure)}, {"reason", facts.choice->reason}};
  for (const auto& [name, plan] : facts.rows) {
    nlohmann::ordered_json row = {{"structure", name},
                                  {"P", plan.parameters},
                                  {"rows", plan.rows},
                                  {"flops", plan.flops},
                                  {"bytes", plan.bytes()},
                                  {"seconds", plan.flops / facts.rate},
                                  {"fits", plan.bytes() <= facts.limit.bytes},
                                  {"exact", plan.exact}};
    for (const auto& [buffer, elements] : plan.buffers)
      row["buffers"].push_back({{"name", buffer}, {"bytes", elements * plan.number_bytes}});
    json["structures"].push_back(row);
  }
  return json.dump(2) + "\n";
}

template <class R>
int plan_in_precision(Options options) {
  Facts facts;
  const auto backend = open_device<R>(options, &facts.device);
  print_error(fmt::format("device: {}\n", facts.device));
  const DataSplit<R> data = load_data<R>(options);
  const NetworkShape shape = network_shape(options, data.train.x.rows, data.outputs);
  trainer_options(options).validate(data.train.samples());
  print_error(data_text(data) + "\n");

  facts.device = backend->name();
  facts.limit = memory_limit(options, *backend);
  facts.rate = device_gemm_rate<R>(options);
  facts.rate_given = options.gemm_rate.has_value();
  add_plans(facts, options, run_shape(options, shape, data, *backend));
  print_result(options.json ? to_json(facts) : to_text(facts));
  return 0;
}

}  // namespace

int run_plan(Options options) {
  resolve_training(options);
  return with_precision(options, [&]<class R>() { return plan_in_precision<R>(options); });
}

}  // namespace natgrad::cli
