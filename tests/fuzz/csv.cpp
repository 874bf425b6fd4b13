/// CSV tables, with what is inferred from their target column.
#include <algorithm>

#include "data/targets.hpp"
#include "fuzz/target.hpp"
#include "io/csv.hpp"

namespace natgrad::fuzz {
namespace {

/// Each likelihood may refuse what the others take.
void encode(const RawTargets& targets, const std::string& likelihood, const std::string& scale) {
  try {
    const TargetCode code = fit_targets(targets, likelihood, scale);
    const HostMatrix<double> y = encode_targets<double>(targets, code);
    encode_targets<float>(targets, code);
    const auto classes = static_cast<double>(code.outputs);
    require(code.likelihood != Likelihood::categorical ||
                std::ranges::all_of(y.data, [&](double k) { return k >= 0.0 && k < classes; }),
            "a class index is outside the classes");
  } catch (const Error&) {
  }
}

void parse(Input input, const std::string& target) {
  try {
    CsvTable<float> table = parse_csv<float>("input", copy(input), target, -1);
    const auto samples = static_cast<std::size_t>(table.x.cols);
    require(samples == table.lines.size() &&
                table.x.data.size() == samples * static_cast<std::size_t>(table.x.rows),
            "a table's parts are of different sizes");
    if (target.empty()) return;
    const RawTargets targets = parse_targets(std::move(table.targets), {"input", {}, table.lines});
    for (const char* likelihood : {"auto", "categorical", "bernoulli"}) encode(targets, likelihood, "none");
    encode(targets, "gaussian", "standard");
    encode(targets, "gaussian", "unit");
  } catch (const Error&) {
  }
}

}  // namespace

void parse_csv_file(Input input) {
  for (const char* target : {"", "0", "y"}) parse(input, target);
}

}  // namespace natgrad::fuzz
