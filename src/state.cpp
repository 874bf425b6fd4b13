#include "natgrad/state.hpp"

#include "natgrad/error.hpp"

namespace natgrad {
namespace {

template <class Map>
const typename Map::mapped_type& found(const Map& map, const std::string& name, const char* kind) {
  const auto place = map.find(name);
  if (place == map.end())
    throw DataError("state: there is no " + std::string(kind) + " '" + name +
                    "' to restore; it was saved by another computation or another version");
  return place->second;
}

void require_elements(const std::string& name, std::size_t found, Index wanted) {
  if (found == static_cast<std::size_t>(wanted)) return;
  throw DataError("state: the array '" + name + "' holds " + std::to_string(found) + " numbers, expected " +
                  std::to_string(wanted) + "; it was saved by a network or a run of other sizes");
}

}  // namespace

template <class R>
void StateVisitor<R>::count(const std::string& name, Index& value) {
  if (!restores()) {
    state_->counts[prefix_ + name] = value;
    return;
  }
  value = found(saved_->counts, prefix_ + name, "count");
  if (value < 0)
    throw DataError("state: the count '" + prefix_ + name + "' is " + std::to_string(value) +
                    ", must be at least 0; use an older checkpoint of the run");
}

template <class R>
void StateVisitor<R>::flag(const std::string& name, bool& value) {
  Index number = value;
  count(name, number);
  value = number != 0;
}

template <class R>
void StateVisitor<R>::number(const std::string& name, double& value) {
  if (restores())
    value = found(saved_->numbers, prefix_ + name, "number");
  else
    state_->numbers[prefix_ + name] = value;
}

template <class R>
void StateVisitor<R>::array(const std::string& name, VectorView<R> values) {
  const std::size_t size = static_cast<std::size_t>(values.size), bytes = size * sizeof(R);
  if (!restores()) {
    std::vector<R>& host = state_->arrays[prefix_ + name];
    host.resize(size);
    if (size > 0) device_.download(host.data(), values.data, bytes);
    return;
  }
  const std::vector<R>& host = found(saved_->arrays, prefix_ + name, "array");
  require_elements(prefix_ + name, host.size(), values.size);
  if (size > 0) device_.upload(values.data, host.data(), bytes);
}

// Between the columns of matrices and above their diagonals there may be anything: it is no state.
template <class R>
void StateVisitor<R>::matrices(const std::string& name, BatchView<R> values, Triangle triangle) {
  const Index n = values.n, stride = values.stride, all = stride * n * values.count;
  std::vector<R> device(static_cast<std::size_t>(all)),
      compact(static_cast<std::size_t>(n * n * values.count));
  if (restores()) {
    array(name, compact);
    require_elements(name, compact.size(), n * n * values.count);
  } else if (all > 0) {
    device_.download(device.data(), values.data, device.size() * sizeof(R));
  }
  for (Index j = 0; j < n * values.count; ++j)
    for (Index i = triangle == Triangle::lower ? j % n : 0; i < n; ++i) {
      R& here = compact[static_cast<std::size_t>(i + j * n)];
      R& there = device[static_cast<std::size_t>(i + j * stride)];
      restores() ? there = here : here = there;
    }
  if (!restores())
    array(name, compact);
  else if (all > 0)
    device_.upload(values.data, device.data(), device.size() * sizeof(R));
}

template <class R>
void StateVisitor<R>::array(const std::string& name, std::vector<R>& values) {
  if (restores())
    values = found(saved_->arrays, prefix_ + name, "array");
  else
    state_->arrays[prefix_ + name] = values;
}

template class StateVisitor<float>;
template class StateVisitor<double>;

}  // namespace natgrad
