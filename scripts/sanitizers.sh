#!/usr/bin/env bash
# Runs the tests over host CUDA under AddressSanitizer and UBSan, then under ThreadSanitizer: kernels, the CUDA
# backend, and what executes them. sanitizers.sh [asan|tsan]…: only those.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

programs=(host_cuda_tests natgrad_host_cuda_tests)
shards=$(nproc) # before OMP_NUM_THREADS, which nproc would obey
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 GTEST_BRIEF=1
export ASAN_OPTIONS=allocator_may_return_null=1              # tests ask for more memory than there is
export TSAN_OPTIONS="ignore_noninstrumented_modules=1:suppressions=$PWD/tests/host_cuda/tsan.suppressions" # OpenBLAS has threads

# For ThreadSanitizer: a race does not depend on the precision; whole steps are the operations once more, and
# FactorAndSolve is SmallCholesky; ScoreGramInTf32 takes a matrix of order 2050.
steps=(CurvatureBatch Direction FactorAndSolve FailingStep FisherMatrix GramStep KroneckerMetric MatrixFree Memory Momentum
       NaturalGradientStep Optimizers OwnRows QuadraticRule Replay Solve StepDamping Structures Trace)
figure() { [[ -z ${NATGRAD_FIGURES:-} ]] || echo "R13: $1" >>"$NATGRAD_FIGURES"; }

declare -A filter=([asan]='*' [tsan]="-*f64*:*F64*:*/1.*:ScoreGramInTf32*$(printf ':*/%s.*' "${steps[@]}")")

for sanitizer in "${@:-asan tsan}"; do
  for name in $sanitizer; do
    [[ -v filter[$name] ]] || { echo "sanitizers: $name is none of asan, tsan" >&2 && exit 2; }
    echo "== tests over host CUDA: $name"
    cmake --preset "$name" >/dev/null
    cmake --build "build/$name" --target "${programs[@]}"
    tests=0
    for program in "${programs[@]}"; do
      run=("build/$name/bin/$program" --gtest_filter="${filter[$name]}")
      list=$("${run[@]}" --gtest_list_tests)
      tests=$((tests + $(grep -c '^  ' <<<"$list")))
      processes=()
      for ((shard = 0; shard < shards; ++shard)); do
        GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$shard "${run[@]}" &
        processes+=($!)
      done
      for process in "${processes[@]}"; do wait "$process"; done
    done
    figure "$tests tests of kernels, the CUDA backend and what executes them on the host under $name: 0 errors (allowed: 0)"
  done
done
