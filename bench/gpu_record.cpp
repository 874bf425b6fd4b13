/// gpu_record: what scripts/gpu_check.sh found, from its folder of results, as one JSON record and one table.
///
/// Of the folder are read: `facts`, lines key=value; `checks`, lines name|status|seconds, a status being
/// passed, failed… or skipped…; tests.json (GoogleTest's), operations*.json and steps*.json (op_bench's and
/// step_bench's), peers.json; the metrics.jsonl of the runs `cuda` and `cpu` in f64, whose traces must agree,
/// and of `f32`. What is not there is left out. Ends with 0, or with 1 where a check failed or the traces
/// differ.
#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>

#include "report.hpp"

namespace natgrad::bench {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

Json parse(const fs::path& path) {
  std::ifstream file(path);
  return file ? Json::parse(file) : Json();
}

// Of all files whose names begin so, in the order of their names.
Json reports(const fs::path& folder, const std::string& beginning) {
  std::set<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().starts_with(beginning)) found.insert(entry.path());
  Json all = Json::array();
  for (const fs::path& path : found) all.push_back(parse(path));
  return all;
}

// The lists of all reports as one.
Json joined(const Json& reports, const std::string& list) {
  Json all = Json::array();
  for (const Json& report : reports)
    for (const Json& entry : report.at(list)) all.push_back(entry);
  return all;
}

Json facts(const fs::path& folder) {
  Json found = Json::object();
  for (const std::string& line : lines_of(folder / "facts")) {
    const auto equals = line.find('=');
    found[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return found;
}

Json checks(const fs::path& folder) {
  Json found = Json::array();
  for (const std::string& line : lines_of(folder / "checks")) {
    const auto first = line.find('|'), last = line.rfind('|');
    found.push_back({{"name", line.substr(0, first)},
                     {"status", line.substr(first + 1, last - first - 1)},
                     {"seconds", std::stod(line.substr(last + 1))}});
  }
  return found;
}

// --- traces ------------------------------------------------------------------------------------------------

std::vector<Json> steps_of(const fs::path& run) {
  std::vector<Json> steps;
  for (const std::string& line : lines_of(run / "metrics.jsonl"))
    if (Json row = Json::parse(line); row.contains("kl_measured")) steps.push_back(std::move(row));
  return steps;
}

Json seconds_a_step(const std::vector<Json>& steps) {
  if (steps.empty()) return nullptr;
  double sum = 0.0;
  for (const Json& step : steps) sum += step.at("seconds").get<double>();
  return sum / static_cast<double>(steps.size());
}

// Losses within 1e-5 relative, the same steps rejected and cut back.
Json trace(const fs::path& folder) {
  const auto gpu = steps_of(folder / "cuda"), cpu = steps_of(folder / "cpu");
  double worst = 0.0;
  std::size_t decisions = 0;
  const std::size_t count = std::min(gpu.size(), cpu.size());
  for (std::size_t k = 0; k < count; ++k) {
    const double found = gpu[k].at("new_loss"), wanted = cpu[k].at("new_loss");
    const double difference = std::abs(found - wanted) / std::abs(wanted);
    if (!(difference <= worst)) worst = difference;  // NaN stays
    decisions +=
        gpu[k].at("backtracks") != cpu[k].at("backtracks") || gpu[k].at("rejected") != cpu[k].at("rejected");
  }
  return {{"steps", count},
          {"worst_relative_loss_difference_f64", worst},
          {"different_decisions", decisions},
          {"agrees", count > 0 && gpu.size() == cpu.size() && worst < 1e-5 && decisions == 0},
          {"seconds_per_step",
           {{"cuda_f64", seconds_a_step(gpu)},
            {"cpu_f64", seconds_a_step(cpu)},
            {"cuda_f32", seconds_a_step(steps_of(folder / "f32"))}}}};
}

// --- the table ---------------------------------------------------------------------------------------------

void print_row(const std::string& name, double seconds, double floor, const std::string& peer = "",
               double peer_seconds = 0.0) {
  std::string text = fmt::format("{:38} {:10.4f}", name, 1e3 * seconds);
  text += floor > 0.0 ? fmt::format(" {:10.4f} {:8.1f}", 1e3 * floor, seconds / floor) : std::string(20, ' ');
  if (!peer.empty())
    text += fmt::format("  {:15} {:10.3f} {:8.1f}", peer, 1e3 * peer_seconds, peer_seconds / seconds);
  print(text + "\n");
}

// The case, and whose kernels did it where that was a choice.
std::string name_of(const Json& measured, const std::string& part = "") {
  const std::string route = measured.at("route");
  return measured.at("name").get<std::string>() + part +
         (route == "only" || route == "auto" ? "" : " " + route) +
         (measured.at("tf32").get<bool>() ? " tf32" : "");
}

std::optional<double> best(const Json& measurements) {
  std::optional<double> least;
  for (const Json& m : measurements)
    if (m.contains("direction_seconds"))
      least = std::min(least.value_or(std::numeric_limits<double>::infinity()),
                       m["direction_seconds"].get<double>());
  return least;
}

// Of a direction: natgrad and its peers, as measured in turn.
void print_peers(const std::string& name, const Json& measured) {
  const auto own = best(measured.at("natgrad"));
  for (const auto& [method, measurements] : measured.items()) {
    if (method == "natgrad") continue;
    if (const auto seconds = best(measurements); seconds && own)
      print_row(name + " direction", *own, 0.0, method, *seconds);
    for (const Json& m : measurements)
      if (m.contains("skipped"))
        print(fmt::format("{:38} {}: {}\n", name + " direction", method, m["skipped"].get<std::string>()));
  }
}

void print_table(const Json& record) {
  print(fmt::format("{:38} {:>10} {:>10} {:>8}  {:15} {:>10} {:>8}\n", "case", "ms", "floor", "ratio", "peer",
                    "ms", "ratio"));
  for (const Json& o : record.at("operations")) print_row(name_of(o), o.at("seconds"), o.at("floor_seconds"));
  const double rate = record.contains("ceilings")
                          ? record["ceilings"].at("gemm_flops_per_second").get<double>()
                          : std::numeric_limits<double>::infinity();
  for (const Json& step : record.at("steps"))
    for (const std::string part : {"gradient", "direction", "step"})
      print_row(name_of(step, " " + part), step.at(part + "_seconds"),
                step.at(part + "_flops").get<double>() / rate);
  const Json peers = record.value("peers", Json::object());
  for (const auto& [name, measured] : peers.items()) print_peers(name, measured);
  for (const Json& check : record.at("checks"))
    print(fmt::format("{:38} {} ({:.0f} s)\n", check.at("name").get<std::string>(),
                      check.at("status").get<std::string>(), check.at("seconds").get<double>()));
  print(fmt::format("{:38} {}\n", "trace of the GPU and of the CPU", record.at("trace").dump()));
}

Json make_record(const fs::path& folder) {
  Json record = facts(folder);
  record["checks"] = checks(folder);
  if (const Json tests = parse(folder / "tests.json"); !tests.is_null())
    record["tests"] = {{"run", tests.at("tests")}, {"failed", tests.at("failures")}};
  record["trace"] = trace(folder);
  bool passed =
      record["trace"].at("agrees").get<bool>() && record.contains("tests") && record["tests"].at("run") > 0;
  for (const Json& check : record["checks"])
    passed = passed && !check.at("status").get<std::string>().starts_with("failed");
  record["passed"] = passed;
  const Json operations = reports(folder, "operations");
  if (!operations.empty()) record["ceilings"] = operations.front().at("ceilings");
  record["operations"] = joined(operations, "operations");
  record["steps"] = joined(reports(folder, "steps"), "cases");
  if (Json measured = parse(folder / "peers.json"); !measured.is_null()) record["peers"] = measured;
  return record;
}

int main(int argc, char** argv) {
  std::string folder, file;
  CLI::App app("What scripts/gpu_check.sh found, as one JSON record and one table");
  app.add_option("folder", folder, "Folder of the results")->required()->check(CLI::ExistingDirectory);
  app.add_option("record", file, "File to write")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    const Json record = make_record(folder);
    write(file, record);
    print_table(record);
    return record["passed"].get<bool>() ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "gpu_record: {}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace natgrad::bench

int main(int argc, char** argv) { return natgrad::bench::main(argc, argv); }
