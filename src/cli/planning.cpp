#include "cli/planning.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "cli/resolve.hpp"

namespace natgrad::cli {
namespace {

/// A number of three digits with a prefix of its unit; `step` from one prefix to the next.
std::string scaled(double value, double step, std::initializer_list<const char*> units) {
  auto unit = units.begin();
  for (; value >= 0.9995 * step && unit + 1 != units.end(); ++unit) value /= step;
  return value < 100.0 ? fmt::format("{:.3g} {}", value, *unit) : fmt::format("{:.0f} {}", value, *unit);
}

/// What the others that solve with all of the Fisher directly would have taken.
std::string alternatives(const std::vector<StructurePlan>& plans, Structure chosen, double limit) {
  std::vector<std::string> texts;
  for (const auto& [structure, plan] : plans) {
    if (structure == chosen || (structure != Structure::dense && structure != Structure::gram)) continue;
    texts.push_back(
        fmt::format("{}: {}", to_string(structure),
                    plan.bytes() > limit ? bytes_text(plan.bytes()) : flops_text(plan.flops) + " a step"));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

MemoryLimit memory_limit(const Options& options, const Device& device) {
  if (options.memory_limit) return {static_cast<double>(*options.memory_limit), true};
  return {static_cast<double>(device.available_bytes() + device.bytes_in_use()), false};
}

RunPlan plan_run(const Options& options, const RunShape& run) {
  if (options.optimizer == "sgd") return plan_sgd(run);
  if (options.optimizer == "adam") return plan_adam(run);
  return plan_natural_gradient(run, natural_gradient_options(options));
}

std::vector<StructurePlan> plan_structures(const Options& options, const RunShape& run) {
  using enum Structure;
  std::vector<StructurePlan> plans;
  for (Structure structure : {dense, gram, matrix_free, layer, unit, kronecker, ekfac, diagonal}) {
    Options own = options;
    own.structure = to_string(structure);
    own.sources.clear();  // no warnings
    drop_idle_options(train, own);
    plans.push_back({structure, plan_run(own, run)});
  }
  return plans;
}

AutoChoice choose_automatically(const std::vector<StructurePlan>& plans, const MemoryLimit& limit) {
  const Structure chosen = choose_structure(plans, limit.bytes);
  return {chosen,
          fmt::format("{} ({})",
                      chosen == Structure::kronecker ? "no structure that is exact without iterating fits"
                                                     : "the cheapest exact structure that fits",
                      alternatives(plans, chosen, limit.bytes))};
}

std::string settle_structure(Options& options, const RunShape& run, const MemoryLimit& limit) {
  if (options.structure != "auto") return "";
  const AutoChoice choice = choose_automatically(plan_structures(options, run), limit);
  options.structure = to_string(choice.structure);
  drop_idle_options(train, options);
  return fmt::format("structure: auto takes {}: {}", options.structure, choice.reason);
}

void require_fit(const Options& options, const RunShape& run, const RunPlan& plan, const MemoryLimit& limit) {
  if (plan.bytes() <= limit.bytes) return;
  const bool natural = options.optimizer == "natural";
  std::string message =
      fmt::format("{}: the run takes {:.0f} bytes ({}) of {:.0f} ({})",
                  natural ? "--structure " + options.structure : "--optimizer " + options.optimizer,
                  plan.bytes(), bytes_text(plan.bytes()), limit.bytes, limit_text(limit));
  if (natural) {
    const std::vector<StructurePlan> plans = plan_structures(options, run);
    const auto nearest = std::ranges::find_if(
        plans, [&](const StructurePlan& other) { return other.plan.bytes() <= limit.bytes; });
    message += nearest == plans.end()
                   ? "; no structure fits"
                   : fmt::format("; the nearest that fits is --structure {} with {}",
                                 to_string(nearest->structure), bytes_text(nearest->plan.bytes()));
  }
  throw OutOfMemory(message + "; or try a smaller --batch or network, see natgrad plan");
}

std::string plan_text(const Options& options, const RunPlan& plan, const MemoryLimit& limit, double rate) {
  const bool natural = options.optimizer == "natural";
  return fmt::format("{}, {} parameters, {}{} a step (about {:.2g} s), {} of {}",
                     natural ? options.structure : options.optimizer, plan.parameters,
                     natural ? fmt::format("{} rows, ", plan.rows) : "", flops_text(plan.flops),
                     plan.flops / rate, bytes_text(plan.bytes()), limit_text(limit));
}

std::string bytes_text(double bytes) { return scaled(bytes, 1024.0, {"bytes", "KiB", "MiB", "GiB", "TiB"}); }

std::string flops_text(double flops) {
  return scaled(flops, 1000.0, {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"});
}

std::string limit_text(const MemoryLimit& limit) {
  return bytes_text(limit.bytes) + (limit.given ? " allowed" : " free");
}

}  // namespace natgrad::cli
