#include "cli/option_groups.hpp"

namespace natgrad::cli {
namespace {

using O = Options;

}  // namespace

std::vector<OptionEntry> loop_options() {
  return {
      {"batch", with_run, &O::batch, "samples per step", {.range = at_least(1), .word_for_zero = "full"}},
      {"steps",
       with_run,
       &O::steps,
       "stop after so many steps (default 20 where no limit is given)",
       {.range = at_least(1), .may_change = true}},
      {"epochs",
       with_run,
       &O::epochs,
       "stop after so many passes over the training samples",
       {.range = above(0), .may_change = true}},
      {"max-seconds",
       with_run,
       &O::max_seconds,
       "stop after so many seconds of stepping",
       {.range = above(0), .may_change = true}},
      {"target-loss",
       with_run,
       &O::target_loss,
       "stop where the loss of the training batch is at most this",
       {.may_change = true}},
      {"eval-every",
       with_run,
       &O::eval_every,
       "steps from one evaluation to the next (default: once an epoch)",
       {.range = at_least(1), .may_change = true}},
      {"average",
       with_run,
       &O::average,
       "decay of an average of the parameters, evaluated and saved beside them; 0: none",
       {.range = fraction()}},
      {"seed", with_data | inspect, &O::seed, "of all random numbers", {.range = {.low = 0.0}}},
  };
}

std::vector<OptionEntry> device_options() {
  return {
      {"device", with_all, &O::device, "auto, cpu, cuda or cuda:N; auto: a usable GPU, else the CPU"},
      {"precision", with_all, &O::precision, "of all arithmetic", {.choices = {"f32", "f64"}}},
      {"threads", with_all, &O::threads, "of the CPU; 0: all cores", {.range = {.low = 0.0, .high = 4096.0}}},
      {"memory-limit",
       with_run,
       &O::memory_limit,
       "bytes that a run may take on its device, also as 500M or 2G (default: what is free)",
       {.range = at_least(1), .bytes = true}},
      {"kernels",
       with_step,
       &O::kernels,
       "of operations that CUDA's libraries and natgrad both have: library, own, or auto, the faster by record",
       {.choices = {"auto", "library", "own"}}},
      {"tf32", with_step, &O::tf32,
       "GPU, f32: form and factor the curvature in TF32 (gram and dense); solves are refined at least once"},
      {"no-graph", with_run, &O::no_graph, "GPU: launch every operation by itself, not as CUDA graphs"},
      {"gemm-rate",
       with_run,
       &O::gemm_rate,
       "10^9 operations a second of the device, for the plan (default: measured)",
       {.range = above(0), .recorded = false, .may_change = true}},
  };
}

std::vector<OptionEntry> output_options() {
  return {
      {"out", train, &O::out, "folder of the run (default runs/<time>)", {.recorded = false}},
      {"out", predict, &O::out, "means, NPY (N, C); for categorical the probabilities"},
      {"out", inspect, &O::out, "folder for gradient.npy, direction.npy and step.json"},
      {"overwrite", train, &O::overwrite, "replace a run that the folder holds", {.recorded = false}},
      {"checkpoint-every",
       train,
       &O::checkpoint_every,
       "N steps or Ns seconds from one checkpoint to the next; every run ends with one, 0: that one only",
       {.may_change = true}},
      {"keep-checkpoints",
       train,
       &O::keep_checkpoints,
       "checkpoints that are kept, the newest ones",
       {.range = at_least(1), .may_change = true}},
      {"resume",
       train,
       &O::resume,
       "folder of a run, or a checkpoint in it: goes on with that run, bit for bit",
       {.recorded = false, .may_change = true}},
      {"dump-fisher", inspect, &O::dump_fisher, "also fisher.npy, the undamped matrix (P, P)"},
      {"spectrum", inspect, &O::spectrum, "also eigenvalues.npy of that matrix, ascending (P)"},
      {"dump-inverse", inspect, &O::dump_inverse, "also inverse.npy, of the damped matrix (P, P)"},
      {"json", eval | plan, &O::json, "print JSON"},
      {"quiet",
       train | predict | inspect,
       &O::quiet,
       "print warnings and errors only",
       {.recorded = false, .may_change = true}},
      {"profile-steps",
       train,
       &O::profile_steps,
       "M:N, a GPU profiler's range from the beginning of step M to the end of step N",
       {.recorded = false, .may_change = true}},
      {"print-config",
       train,
       &O::print_config,
       "print the options as TOML and do nothing else",
       {.recorded = false, .may_change = true}},
  };
}

}  // namespace natgrad::cli
