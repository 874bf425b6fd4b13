/// What a run takes, before it starts: which structure `auto` stands for, and whether it fits.
#pragma once

#include <fmt/format.h>

#include "cli/options.hpp"
#include "natgrad/plan.hpp"

namespace natgrad::cli {

struct MemoryLimit {
  double bytes = 0.0;
  bool given = false;  ///< by --memory-limit; else what is free
};

MemoryLimit memory_limit(const Options& options, const Device& device);

template <class R>
RunShape run_shape(const Options& options, const NetworkShape& network, const DataSplit<R>& data,
                   const Device& device) {
  return {.network = network,
          .likelihood = data.likelihood,
          .train_samples = data.train.samples(),
          .test_samples = data.test.samples(),
          .batch = options.batch,
          .average = options.average > 0.0,
          .number_bytes = sizeof(R),
          .device_bytes = static_cast<Index>(device.bytes_in_use())};
}

/// "data: 1437 training and 360 test samples, 64 inputs, 10 outputs, categorical".
template <class R>
std::string data_text(const DataSplit<R>& data) {
  return fmt::format("data: {} training and {} test samples, {} inputs, {} outputs, {}", data.train.samples(),
                     data.test.samples(), data.train.x.rows, data.outputs, to_string(data.likelihood));
}

/// The plan of the options' own optimiser and structure, which is not auto.
RunPlan plan_run(const Options& options, const RunShape& run);

/// Those of all structures, each with the options that have an effect on it.
std::vector<StructurePlan> plan_structures(const Options& options, const RunShape& run);

/// What --structure auto stands for, and why.
struct AutoChoice {
  Structure structure;
  std::string reason;  ///< such as "the cheapest exact structure that fits (gram: 728 GFLOP a step)"
};

AutoChoice choose_automatically(const std::vector<StructurePlan>& plans, const MemoryLimit& limit);

/// Puts that choice in the place of --structure auto and drops options that it leaves without effect. Returns
/// a sentence for the user, or an empty text where there was nothing to choose.
std::string settle_structure(Options& options, const RunShape& run, const MemoryLimit& limit);

/// Throws OutOfMemory, with the nearest structure that fits (the first in the order of the plans), where the
/// plan exceeds the limit.
void require_fit(const Options& options, const RunShape& run, const RunPlan& plan, const MemoryLimit& limit);

/// --gemm-rate, or measured on a backend of its own, whose memory does not count as the run's; operations a
/// second.
template <class R>
double device_gemm_rate(const Options& options) {
  if (options.gemm_rate) return 1e9 * *options.gemm_rate;
  return gemm_rate(*open_device<R>(options));
}

/// "dense, 2410 parameters, 12933 rows, 9.61 GFLOP a step (about 0.1 s), 61.2 MiB of 7.2 GiB free".
std::string plan_text(const Options& options, const RunPlan& plan, const MemoryLimit& limit, double rate);

/// "61.2 MiB", "9.61 GFLOP", "7.2 GiB free".
std::string bytes_text(double bytes);
std::string flops_text(double flops);
std::string limit_text(const MemoryLimit& limit);

}  // namespace natgrad::cli
