#include "io/array.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "host_memory.hpp"
#include "io/gzip.hpp"
#include "io/idx.hpp"
#include "io/npy.hpp"

namespace natgrad {
namespace {

/// Element k of the file's sequence of T.
template <class T, bool swap>
T load(const std::uint8_t* elements, std::size_t k) {
  std::array<std::uint8_t, sizeof(T)> raw;
  std::memcpy(raw.data(), elements + k * sizeof(T), sizeof(T));
  if constexpr (swap) std::ranges::reverse(raw);
  return std::bit_cast<T>(raw);
}

/// Where the file keeps sample 0 of each column, in elements, for Fortran order. Element (i₀, i₁, …) lies at
/// i₀ + n₀(i₁ + n₁(…)); column j is the multi-index (i₁, …) with the last one running fastest.
std::vector<std::size_t> fortran_columns(const Array& array) {
  std::vector<std::size_t> offsets(static_cast<std::size_t>(array.columns()));
  for (std::size_t j = 0; j < offsets.size(); ++j) {
    std::size_t rest = j, offset = 0;
    std::size_t stride = offsets.size() * static_cast<std::size_t>(array.samples());
    for (std::size_t axis = array.shape.size() - 1; axis > 0; --axis) {
      const auto n = static_cast<std::size_t>(array.shape[axis]);
      stride /= n;
      offset += rest % n * stride;
      rest /= n;
    }
    offsets[j] = offset;
  }
  return offsets;
}

template <class R, class T, bool swap>
void convert_elements(const Array& array, HostMatrix<R>& out) {
  const std::uint8_t* elements = array.bytes.data() + array.offset;
  if (!array.fortran_order) {
    for (std::size_t k = 0; k < out.data.size(); ++k)
      out.data[k] = static_cast<R>(load<T, swap>(elements, k));
    return;
  }
  const std::vector<std::size_t> first = fortran_columns(array);
  for (Index i = 0; i < out.cols; ++i) {
    for (Index j = 0; j < out.rows; ++j) {
      out(j, i) = static_cast<R>(
          load<T, swap>(elements, first[static_cast<std::size_t>(j)] + static_cast<std::size_t>(i)));
    }
  }
}

template <class R, class T>
void convert(const Array& array, HostMatrix<R>& out) {
  if (array.byte_order == std::endian::native) {
    convert_elements<R, T, false>(array, out);
  } else {
    convert_elements<R, T, true>(array, out);
  }
}

template <class R>
void convert(const Array& array, HostMatrix<R>& out) {
  switch (array.type) {
    case ElementType::u1:
      return convert<R, std::uint8_t>(array, out);
    case ElementType::i1:
      return convert<R, std::int8_t>(array, out);
    case ElementType::u2:
      return convert<R, std::uint16_t>(array, out);
    case ElementType::i2:
      return convert<R, std::int16_t>(array, out);
    case ElementType::u4:
      return convert<R, std::uint32_t>(array, out);
    case ElementType::i4:
      return convert<R, std::int32_t>(array, out);
    case ElementType::i8:
      return convert<R, std::int64_t>(array, out);
    case ElementType::f4:
      return convert<R, float>(array, out);
    case ElementType::f8:
      return convert<R, double>(array, out);
  }
}

}  // namespace

std::size_t element_size(ElementType type) {
  switch (type) {
    case ElementType::u1:
    case ElementType::i1:
      return 1;
    case ElementType::u2:
    case ElementType::i2:
      return 2;
    case ElementType::u4:
    case ElementType::i4:
    case ElementType::f4:
      return 4;
    default:
      return 8;
  }
}

const char* to_string(ElementType type) {
  constexpr std::array names = {"u1", "i1", "u2", "i2", "u4", "i4", "i8", "f4", "f8"};
  return names[static_cast<std::size_t>(type)];
}

Index Array::columns() const {
  Index product = 1;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) product *= shape[axis];
  return product;
}

std::optional<Index> element_count(std::span<const Index> shape) {
  Index count = 1;
  for (const Index n : shape) {
    if (n < 0 || __builtin_mul_overflow(count, n, &count)) return std::nullopt;
  }
  return count;
}

void require_elements_fill_file(const Array& array) {
  if (array.shape.empty()) {
    throw DataError(array.path + ": the array has no dimension, expected samples along axis 0");
  }
  const auto available = static_cast<Index>(array.bytes.size() - array.offset);
  if (std::ranges::find(array.shape, 0) != array.shape.end()) {
    throw DataError(fmt::format("{}: the array has shape ({}), that is no elements", array.path,
                                fmt::join(array.shape, ", ")));
  }
  const std::optional<Index> count = element_count(array.shape);
  Index wanted = 0;
  const bool overflow =
      !count || __builtin_mul_overflow(*count, static_cast<Index>(element_size(array.type)), &wanted);
  if (overflow || wanted != available) {
    throw DataError(fmt::format(
        "{}: the header promises shape ({}) of {}, that is {} bytes, but {} bytes follow it at byte {}: the file is {}",
        array.path, fmt::join(array.shape, ", "), to_string(array.type),
        overflow ? "more than 2^63" : std::to_string(wanted), available, array.offset,
        !overflow && wanted < available ? "too long" : "truncated"));
  }
}

Array parse_array(const std::string& path, Bytes bytes) {
  if (is_npy(bytes)) return parse_npy(path, std::move(bytes));
  if (is_idx(bytes)) return parse_idx(path, std::move(bytes));
  const std::span<const std::uint8_t> start(bytes.data(), std::min<std::size_t>(bytes.size(), 6));
  throw DataError(fmt::format(
      "{}: begins with the bytes {:02x}, expected an NPY file (93 4e 55 4d 50 59) or an IDX file (00 00), "
      "plain or gzip; a CSV table is given with --train-csv or --test-csv",
      path, fmt::join(start, " ")));
}

Array read_array(const std::string& path, std::uint64_t max_decompressed) {
  return parse_array(path, read_decompressed(path, max_decompressed));
}

template <class R>
HostMatrix<R> to_samples(const Array& array) {
  const std::size_t elements = (array.bytes.size() - array.offset) / element_size(array.type);
  require_host_memory(elements * sizeof(R), array.path);
  HostMatrix<R> out(array.columns(), array.samples());  // n × N
  convert(array, out);
  if (array.is_integer()) return out;
  const auto fault = std::ranges::find_if(out.data, [](R value) { return !std::isfinite(value); });
  if (fault != out.data.end()) {
    const Index position = fault - out.data.begin();
    throw DataError(fmt::format(
        "{}: sample {}, column {} is {} (as {}), expected a finite number; remove or repair the sample",
        array.path, position / out.rows, position % out.rows, *fault, sizeof(R) == 4 ? "f32" : "f64"));
  }
  return out;
}

template HostMatrix<float> to_samples(const Array&);
template HostMatrix<double> to_samples(const Array&);

}  // namespace natgrad
