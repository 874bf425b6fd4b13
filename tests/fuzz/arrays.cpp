/// NPY, IDX and gzip.
#include "fuzz/target.hpp"
#include "io/gzip.hpp"
#include "io/idx.hpp"
#include "io/npy.hpp"

namespace natgrad::fuzz {
namespace {

/// The samples in both precisions, and those in R written and read again.
template <class R>
void convert(const Array& array) {
  const HostMatrix<R> samples = to_samples<R>(array);
  const auto save = [](const HostMatrix<R>& x) {
    return written([&](const std::string& path) { write_npy<R>(path, x.view(), {x.cols, x.rows}); });
  };
  const Bytes once = save(samples);
  require(save(to_samples<R>(parse_array("written", once))) == once,
          "an NPY file is read otherwise than written");
}

void parse(Input input) {
  const Array array = parse_array("input", copy(input));
  convert<float>(array);
  convert<double>(array);
}

}  // namespace

void parse_npy_file(Input input) {
  if (is_npy(input)) parse(input);
}

void parse_idx_file(Input input) {
  if (is_idx(input)) parse(input);
}

void parse_gzip_file(Input input) {
  const Bytes content = gunzip(input, "input", max_decompressed);
  require(content.size() <= max_decompressed, "more was decompressed than is allowed");
}

}  // namespace natgrad::fuzz
