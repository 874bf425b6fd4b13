/// op_bench: what single operations of a backend cost, beside the floor that the device's own ceilings set.
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>

#include "ceilings.hpp"
#include "operations.hpp"
#include "report.hpp"
#include "routed_backend.hpp"

namespace natgrad::bench {
namespace {

struct Options {
  DeviceChoice on;
  std::vector<std::string> cases, routes{"auto"};
  std::string json;
  double seconds = 0.5;
  bool list = false, small = false;
};

std::vector<Operation> all_operations(const Sizes& sizes) {
  std::vector<Operation> all;
  for (auto part : {algebra_operations, network_operations, fisher_operations, layer_operations})
    std::ranges::move(part(sizes), std::back_inserter(all));
  return all;
}

// Those whose names begin with one of `names`; without names all.
std::vector<Operation> chosen(std::vector<Operation> all, const std::vector<std::string>& names) {
  const auto begins = [](const Operation& o, const std::string& name) { return o.name.starts_with(name); };
  for (const std::string& name : names)
    if (std::ranges::none_of(all, [&](const Operation& o) { return begins(o, name); }))
      throw UsageError(fmt::format("--cases: no case begins with \"{}\"; --list tells what there is", name));
  std::erase_if(all, [&](const Operation& o) {
    return !names.empty() &&
           std::ranges::none_of(names, [&](const std::string& name) { return begins(o, name); });
  });
  return all;
}

/// Throws NumericError where a factorisation fails.
double measure(Backend<float>& backend, const Operation& operation, double bound) {
  backend.set_scalar(Slot::factor_info, 0.0);
  const double seconds = seconds_each(backend, bound, operation.make(std::make_shared<Operands>(backend)));
  if (const double info = backend.read_scalars()[Slot::factor_info]; info != 0.0)
    throw NumericError(fmt::format("{}: the factorisation failed (info {})", operation.name, info));
  return seconds;
}

std::string line(const Json& r) {
  const double seconds = r.at("seconds"), floor = r.at("floor_seconds"), flops = r.at("flops"),
               bytes = r.at("bytes");
  return fmt::format("{:26} {:10} {:9.4f} {:9.4f} {:7.1f} {:9.1f} {:8.1f}  {}\n",
                     r.at("name").get<std::string>(), r.at("route").get<std::string>(), 1e3 * seconds,
                     1e3 * floor, seconds / floor, flops / seconds / 1e9, bytes / seconds / 1e9,
                     r.at("shape").get<std::string>());
}

Json describe(const Ceilings& ceilings) {
  return {{"gemm_flops_per_second", ceilings.flops_per_second},
          {"copy_bytes_per_second", ceilings.bytes_per_second},
          {"operation_latency_seconds", ceilings.latency_seconds}};
}

// A backend of each route; operations that have no routes run on the first.
Json run(const Options& options) {
  const std::vector<Operation> wanted =
      chosen(all_operations({.divisor = options.small ? 32 : 1}), options.cases);
  if (options.list) {
    for (const Operation& o : wanted)
      print(fmt::format("{:26} {}{}\n", o.name, o.shape, o.routed ? "; routed" : ""));
    return Json::object();
  }
  std::vector<std::unique_ptr<Backend<float>>> backends;
  for (const std::string& route : options.routes)
    backends.push_back(routed_backend(options.on, parse_route(route)));
  const Ceilings ceilings = measure_ceilings(*backends.front());
  Json report = {{"device", backends.front()->description()},
                 {"small", options.small},
                 {"ceilings", describe(ceilings)},
                 {"operations", Json::array()}};
  print(fmt::format("{}, {}: product {:.0f} GFLOP/s, copy {:.0f} GB/s, one small operation {:.1f} µs\n",
                    report["device"].get<std::string>(), options.on.tf32 ? "TF32" : "f32",
                    ceilings.flops_per_second / 1e9, ceilings.bytes_per_second / 1e9,
                    1e6 * ceilings.latency_seconds));
  print(fmt::format("{:26} {:10} {:>9} {:>9} {:>7} {:>9} {:>8}\n", "case", "route", "ms", "floor", "ratio",
                    "GFLOP/s", "GB/s"));
  for (const Operation& o : wanted) {
    for (std::size_t i = 0; i < (o.routed ? backends.size() : 1); ++i) {
      report["operations"].push_back({{"name", o.name},
                                      {"shape", o.shape},
                                      {"route", o.routed ? options.routes[i] : "only"},
                                      {"tf32", o.routed && options.on.tf32},
                                      {"seconds", measure(*backends[i], o, options.seconds)},
                                      {"flops", o.flops},
                                      {"bytes", o.bytes},
                                      {"floor_seconds", ceilings.floor(o.flops, o.bytes)}});
      print(line(report["operations"].back()));
    }
  }
  return report;
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app("What single operations of a backend cost, beside what the device's ceilings allow, in f32");
  app.add_option("--cases", options.cases, "Cases, or beginnings of their names, separated by commas")
      ->delimiter(',');
  app.add_option("--routes", options.routes,
                 "auto, library, own, separated by commas: who does what a CUDA library and natgrad can "
                 "both do")
      ->delimiter(',');
  app.add_option("--json", options.json, "Write what was measured to this file");
  app.add_option("--device", options.on.device, "cpu, cuda, cuda:N or auto")->capture_default_str();
  app.add_option("--threads", options.on.threads, "Of the CPU; 0: all available cores")
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "Time bound of one measurement")->capture_default_str();
  app.add_flag("--tf32", options.on.tf32,
               "Products behind a solve that is refined, in TF32; floors stay those of f32");
  app.add_flag("--small", options.small, "Sizes divided by 32: a rehearsal, which says nothing of speed");
  app.add_flag("--list", options.list, "Tell the cases and do nothing else");
  CLI11_PARSE(app, argc, argv);
  try {
    const Json report = run(options);
    if (!options.json.empty()) write(options.json, report);
  } catch (const Error& error) {
    fmt::print(stderr, "op_bench: {}\n", error.what());
    return error.exit_code();
  }
  return 0;
}

}  // namespace
}  // namespace natgrad::bench

int main(int argc, char** argv) { return natgrad::bench::main(argc, argv); }
