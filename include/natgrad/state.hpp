/// What a computation holds from step to step, as numbers and arrays by name: enough to go on with it later,
/// in another process, as if it had never stopped.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "natgrad/device.hpp"

namespace natgrad {

/// On the host; names are of the form "optimizer.fisher.updates".
template <class R>
struct State {
  std::map<std::string, Index> counts;
  std::map<std::string, double> numbers;  // NaN and infinities included
  std::map<std::string, std::vector<R>> arrays;

  bool operator==(const State&) const = default;
};

/// What of a matrix means something.
enum class Triangle { lower, both };

/// Walks over the parts of an object's state, all in one order. The same walk saves and restores, so that
/// nothing is saved that is not restored.
template <class R>
class StateVisitor {
 public:
  /// Writes what it visits to `state`.
  static StateVisitor saving(Device& device, State<R>& state) { return {device, &state, nullptr, ""}; }
  /// Sets what it visits to what `state` holds.
  static StateVisitor restoring(Device& device, const State<R>& state) {
    return {device, nullptr, &state, ""};
  }

  bool restores() const { return saved_ != nullptr; }

  /// Each throws DataError where there is no such name to restore from, a count below 0, or an array of
  /// another size.
  void count(const std::string& name, Index& value);
  void flag(const std::string& name, bool& value);
  void number(const std::string& name, double& value);
  /// Memory of the device; synchronises.
  void array(const std::string& name, VectorView<R> values);
  /// Square matrices: all of them, or their lower triangles with zeros above, n²·count numbers in either
  /// case.
  void matrices(const std::string& name, BatchView<R> values, Triangle triangle);
  /// Memory of the host, of any size.
  void array(const std::string& name, std::vector<R>& values);

  /// For the state of a part: what it visits as "x" is "name.x" here.
  StateVisitor within(const std::string& name) const {
    return {device_, state_, saved_, prefix_ + name + "."};
  }

 private:
  StateVisitor(Device& device, State<R>* state, const State<R>* saved, std::string prefix)
      : device_(device), state_(state), saved_(saved), prefix_(std::move(prefix)) {}

  Device& device_;
  State<R>* state_;        // to save to, or null
  const State<R>* saved_;  // to restore from, or null
  std::string prefix_;
};

}  // namespace natgrad
