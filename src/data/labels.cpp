#include "data/labels.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "io/number.hpp"

namespace natgrad {
namespace {

bool all_numbers(const std::vector<std::string>& labels) {
  return std::ranges::all_of(
      labels, [](const std::string& label) { return parse_number<double>(label).has_value(); });
}

/// What tells classes apart: the text, or where all labels are numbers their value, so that 1 and 1.0 are the
/// same.
std::string label_key(const std::string& label, bool numeric) {
  const auto number = numeric ? parse_number<double>(label) : std::nullopt;
  return number ? fmt::format("{}", *number + 0.0) : label;  // + 0.0 turns −0 into 0
}

/// The index of each class by its key.
class ClassIndex {
 public:
  explicit ClassIndex(const std::vector<std::string>& names) : numeric_(all_numbers(names)) {
    for (std::size_t k = 0; k < names.size(); ++k) {
      index_.emplace(label_key(names[k], numeric_), static_cast<Index>(k));
    }
  }
  bool numeric() const { return numeric_; }
  std::optional<Index> find(const std::string& label) const {
    const auto found = index_.find(label_key(label, numeric_));
    if (found == index_.end()) return std::nullopt;
    return found->second;
  }

 private:
  bool numeric_;
  std::unordered_map<std::string, Index> index_;
};

/// The distinct labels, sorted as numbers if they all are, else as text. Of several spellings of a number the
/// first in the file stands.
std::vector<std::string> distinct_labels(const std::vector<std::string>& labels) {
  const bool numeric = all_numbers(labels);
  std::unordered_set<std::string> seen;
  std::vector<std::string> names;
  for (const std::string& label : labels) {
    if (seen.insert(label_key(label, numeric)).second) names.push_back(label);
  }
  std::ranges::sort(names, [numeric](const std::string& a, const std::string& b) {
    return numeric ? *parse_number<double>(a) < *parse_number<double>(b) : a < b;
  });
  return names;
}

/// Names must be UTF-8, for the model file keeps them.
void require_utf8(const std::vector<std::string>& names, const std::string& path) {
  for (std::size_t k = 0; k < names.size(); ++k) {
    try {
      static_cast<void>(nlohmann::json(names[k]).dump());
    } catch (const nlohmann::json::type_error&) {
      throw DataError(fmt::format(
          "{}: class label {:?} (number {} in sorted order) is not UTF-8; convert the file with iconv", path,
          names[k], k));
    }
  }
}

/// Refuses many integers that are spread over a range wider than there are samples: prices, years, counts.
void require_plausible_classes(const RawTargets& train, Index classes) {
  constexpr Index never_doubted = 10;
  if (train.kind != RawTargets::Kind::integer || classes <= never_doubted) return;
  const auto [low, high] = std::ranges::minmax(train.values.data);
  if (high - low < static_cast<double>(train.values.cols)) return;
  throw DataError(
      fmt::format("{}: the targets are {} different integers from {:.0f} to {:.0f} in {} samples, which look "
                  "like measurements; give --likelihood gaussian, or categorical where they are labels",
                  train.origin.path, classes, low, high, train.values.cols));
}

/// The class index that a value of an array is; `classes` < 0 leaves the upper end open.
Index class_index(const RawTargets& targets, Index sample, Index classes) {
  const double value = targets.values.data[static_cast<std::size_t>(sample)];
  const bool whole = value == std::floor(value);
  if (whole && value >= 0.0 && (classes < 0 || value < static_cast<double>(classes))) {
    return static_cast<Index>(std::min(value, 0x1p62));
  }
  throw DataError(fmt::format("{}: the label is {}, expected a class index from 0 to {}{}",
                              targets.origin.at(sample), value,
                              classes < 0 ? "C - 1" : std::to_string(classes - 1),
                              whole ? "" : "; --likelihood gaussian takes real targets"));
}

void require_one_label(const RawTargets& targets) {
  if (!targets.labels.empty() || targets.values.rows == 1) return;
  throw DataError(
      fmt::format("{}: has {} targets per sample, but categorical needs one label, of shape (N) or (N, 1)",
                  targets.origin.path, targets.values.rows));
}

}  // namespace

void fit_classes(const RawTargets& train, bool doubtful, TargetCode& code) {
  require_one_label(train);
  if (!train.labels.empty()) {
    code.class_names = distinct_labels(train.labels);
    code.outputs = static_cast<Index>(code.class_names.size());
    require_utf8(code.class_names, train.origin.path);
    if (doubtful) require_plausible_classes(train, code.outputs);
    return;
  }
  Index largest = 0, sample = 0;
  for (Index j = 0; j < train.values.cols; ++j) {
    const Index index = class_index(train, j, -1);
    if (index > largest) sample = j;
    largest = std::max(largest, index);
  }
  if (largest >= train.values.cols) {
    throw DataError(
        fmt::format("{}: the label {} would make {} classes of {} training samples; allowed: 0 to {}, or "
                    "--likelihood gaussian for a measurement",
                    train.origin.at(sample), largest, largest + 1, train.values.cols, train.values.cols - 1));
  }
  code.outputs = largest + 1;
}

template <class R>
HostMatrix<R> encode_classes(const RawTargets& targets, const TargetCode& code) {
  require_one_label(targets);
  const Index samples =
      targets.labels.empty() ? targets.values.cols : static_cast<Index>(targets.labels.size());
  const ClassIndex classes(code.class_names);
  // An array's integers are labels where the classes are numbers, and class indices where they are words.
  const bool by_name = !code.class_names.empty() && (!targets.labels.empty() || classes.numeric());
  if (!by_name && targets.kind == RawTargets::Kind::text) {
    throw DataError(fmt::format("{}: the labels are text, expected class indices from 0 to {} as in training",
                                targets.origin.path, code.outputs - 1));
  }
  HostMatrix<R> y(1, samples);
  for (Index j = 0; j < samples; ++j) {
    if (!by_name) {
      y(0, j) = static_cast<R>(class_index(targets, j, code.outputs));
      continue;
    }
    const std::string label = targets.labels.empty() ? fmt::format("{}", targets.values(0, j))
                                                     : targets.labels[static_cast<std::size_t>(j)];
    const auto index = classes.find(label);
    if (!index) {
      const std::vector<std::string> shown(code.class_names.begin(),
                                           code.class_names.begin() + std::min<Index>(code.outputs, 20));
      throw DataError(fmt::format("{}: the label '{}' is none of the {} in the training data: {}{}",
                                  targets.origin.at(j), label, code.outputs, fmt::join(shown, ", "),
                                  code.outputs > 20 ? ", …" : ""));
    }
    y(0, j) = static_cast<R>(*index);
  }
  return y;
}

template HostMatrix<float> encode_classes(const RawTargets&, const TargetCode&);
template HostMatrix<double> encode_classes(const RawTargets&, const TargetCode&);

}  // namespace natgrad
