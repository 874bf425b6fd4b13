/// step_bench: what one exact natural-gradient step costs, beside a plain gradient and the machine's rate.
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>

#include "ceilings.hpp"
#include "report.hpp"
#include "routed_backend.hpp"
#include "scaling.hpp"

namespace natgrad::bench {
namespace {

struct Options {
  DeviceChoice on;
  std::vector<std::string> cases;
  std::string json, route = "auto";
  double seconds = 3.0;
  bool list = false, scaling = false;
};

Json describe(const Case& c) {
  return {{"name", c.name},
          {"widths", std::vector<Index>(c.widths.begin(), c.widths.end())},
          {"likelihood", to_string(c.likelihood)},
          {"kind", to_string(c.kind)},
          {"structure", to_string(c.structure)},
          {"samples", c.samples},
          {"rows", c.rows()},
          {"parameters", c.parameters()},
          {"damping", damping},
          {"refine", c.refine},
          {"on_request", c.on_request}};
}

Json report_on(const Case& c, const BackendMaker& make, const Options& options) {
  const double rate = gemm_rate(*make());
  const Measurement m = measure(*make(), c, options.seconds);
  Json report = describe(c);
  report["route"] = options.route;
  report["tf32"] = options.on.tf32;
  report["gemm_flops_per_second"] = rate;
  const auto add = [&](const std::string& part, double seconds, double flops) {
    report[part + "_seconds"] = seconds;
    report[part + "_flops"] = flops;
    report[part + "_per_gradient"] = seconds / m.gradient_seconds;
    report[part + "_rate_fraction"] = flops / (seconds * rate);
  };
  add("gradient", m.gradient_seconds, gradient_flops(c));
  add("direction", m.direction_seconds, direction_flops(c));
  add("step", m.step_seconds, step_flops(c));
  report["fisher_bytes_planned"] = m.fisher_bytes_planned;
  report["fisher_bytes"] = m.fisher_bytes;
  report["peak_bytes"] = m.peak_bytes;
  return report;
}

// Times in ms, work in GFLOP; `/grad.` is over the time of the gradient, `of rate` over the product's rate.
std::string head() {
  const std::string part = fmt::format("{:>8} {:>7} {:>7} {:>7} |", "ms", "/grad.", "GFLOP", "of rate");
  return fmt::format("{:20} {:>7} {:>9} |{:^33}|{:^33}|{:^17}|{:>8}\n", "", "gemm", "gradient", "direction",
                     "step", "Fisher MB", "peak") +
         fmt::format("{:20} {:>7} {:>9} |{}{}{:>8} {:>7} |{:>8}\n", "case", "GFLOP/s", "ms", part, part,
                     "planned", "held", "MB");
}

std::string line(const Json& r) {
  const auto number = [&](const std::string& key, double unit) { return r.at(key).get<double>() / unit; };
  const auto part = [&](const std::string& name) {
    return fmt::format("{:8.1f} {:7.2f} {:7.2f} {:7.2f} |", number(name + "_seconds", 1e-3),
                       number(name + "_per_gradient", 1), number(name + "_flops", 1e9),
                       number(name + "_rate_fraction", 1));
  };
  return fmt::format("{:20} {:7.0f} {:9.2f} |{}{}{:8.1f} {:7.1f} |{:8.0f}\n", r.at("name").get<std::string>(),
                     number("gemm_flops_per_second", 1e9), number("gradient_seconds", 1e-3),
                     part("direction"), part("step"), number("fisher_bytes_planned", 1e6),
                     number("fisher_bytes", 1e6), number("peak_bytes", 1e6));
}

Json describe(const ScalingCurve& curve) {
  Json points = Json::array();
  for (const ScalingPoint& p : curve.points) {
    points.push_back(
        {{"samples", p.samples}, {"width", p.width}, {"flops", p.flops}, {"seconds", p.seconds}});
  }
  return {{"variable", curve.variable},
          {"measured_exponent", curve.measured},
          {"predicted_exponent", curve.predicted},
          {"points", points}};
}

void print_curve(const ScalingCurve& curve) {
  print(fmt::format("direction against {}\n{:>9} {:>7} {:>9} {:>9}\n", curve.variable, "samples", "width",
                    "GFLOP", "ms"));
  for (const ScalingPoint& p : curve.points)
    print(fmt::format("{:9} {:7} {:9.3f} {:9.2f}\n", p.samples, p.width, p.flops / 1e9, 1e3 * p.seconds));
  print(fmt::format("exponent of the time {:.2f}, of the operations {:.2f}, difference {:+.2f}\n\n",
                    curve.measured, curve.predicted, curve.measured - curve.predicted));
}

// Named ones in the order given; without names all that are not on request.
std::vector<Case> chosen_cases(const std::vector<std::string>& names) {
  std::vector<Case> chosen;
  if (names.empty())
    std::ranges::copy_if(cases, std::back_inserter(chosen), [](auto& c) { return !c.on_request; });
  for (const std::string& name : names) {
    const auto found = std::ranges::find(cases, name, &Case::name);
    if (found == std::end(cases))
      throw UsageError(fmt::format("--cases: \"{}\" is no case; --list tells what there is", name));
    chosen.push_back(*found);
  }
  return chosen;
}

Json list_cases() {
  Json listed = Json::array();
  for (const Case& c : cases) {
    listed.push_back(describe(c));
    print(fmt::format("{:20} {} {} {} {}, N = {}, R = {}, P = {}{}\n", c.name, fmt::join(c.widths, "-"),
                      to_string(c.likelihood), to_string(c.kind), to_string(c.structure), c.samples, c.rows(),
                      c.parameters(), c.on_request ? "; on request" : ""));
  }
  return {{"cases", listed}};
}

Json run(const Options& options) {
  if (options.list) return list_cases();
  const BackendMaker make = [&] { return routed_backend(options.on, parse_route(options.route)); };
  const std::vector<Case> chosen = chosen_cases(options.cases);
  const std::string device = make()->description();
  print(device + (options.on.tf32 ? ", TF32 and one refinement\n" : ", f32\n"));
  Json report = {{"device", device}};
  if (options.scaling) {
    for (const ScalingCurve& curve : measure_scaling(make, options.seconds)) {
      print_curve(curve);
      report["scaling"].push_back(describe(curve));
    }
    return report;
  }
  print(head());
  for (Case c : chosen) {
    c.refine = options.on.tf32 ? 1 : 0;
    report["cases"].push_back(report_on(c, make, options));
    print(line(report["cases"].back()));
  }
  return report;
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app("What one exact natural-gradient step costs, beside a plain gradient and the machine's rate");
  app.add_option("--cases", options.cases, "Cases, separated by commas; without it all not on request")
      ->delimiter(',');
  app.add_option("--json", options.json, "Write what was measured, or with --list the cases, to this file");
  app.add_option("--device", options.on.device, "cpu, cuda, cuda:N or auto")->capture_default_str();
  app.add_option("--threads", options.on.threads, "Of the CPU; 0: all available cores")
      ->capture_default_str();
  app.add_option("--route", options.route,
                 "auto, library, own: who does what a CUDA library and natgrad can both do")
      ->capture_default_str();
  app.add_flag("--tf32", options.on.tf32, "Products behind the solve in TF32, and one step of refinement");
  app.add_flag("!--no-graph", options.on.graph, "Launch operations one by one, not as CUDA graphs");
  app.add_option("--seconds", options.seconds, "Time bound of one measurement")->capture_default_str();
  app.add_flag("--list", options.list, "Tell the cases and do nothing else");
  app.add_flag("--scaling", options.scaling, "Time against batch and width instead of the cases");
  CLI11_PARSE(app, argc, argv);
  try {
    const Json report = run(options);
    if (!options.json.empty()) write(options.json, report);
  } catch (const Error& error) {
    fmt::print(stderr, "step_bench: {}\n", error.what());
    return error.exit_code();
  }
  return 0;
}

}  // namespace
}  // namespace natgrad::bench

int main(int argc, char** argv) { return natgrad::bench::main(argc, argv); }
