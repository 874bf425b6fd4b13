#!/usr/bin/env bash
# Runs the tests over host CUDA without one barrier of the kernels after another: some test that reaches the barrier
# must fail, or the barrier is untested or superfluous.
#
#     mutation.sh BUILD [TEST_PROGRAM…]      programs of BUILD/bin; natgrad_host_cuda_tests
#
# A barrier whose loss no test notices in the usual order of threads is tried again in reverse and in a random order.
# Exit code 1 where fewer than 95 % of the barriers are noticed, or a barrier is reached by no test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=$(cd "${1:?usage: mutation.sh BUILD [TEST_PROGRAM…]}/bin" && pwd)
shift
programs=("${@:-natgrad_host_cuda_tests}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export bin work
export OMP_NUM_THREADS=1 GTEST_BRIEF=1 GTEST_FAIL_FAST=1
export GCOV_PREFIX=$work  # a build that measures coverage keeps what it measured
export longest=5          # seconds that a test may take to be of use here

barrier='(__syncthreads|__syncwarp|grid_sync)\('

# FILE:LINE of every barrier in the sources; comments and definitions are none.
places() {
  for file in kernels/*.cuh include/natgrad/device/*.hpp; do
    sed 's://.*::' "$file" | grep -nE "$barrier" | grep -vE "(void|inline) +$barrier" |
      sed -E "s/^([0-9]+):.*/$(basename "$file"):\1/" || true
  done
}

# "PROGRAM TEST" of every test.
tests() {
  for program in "${programs[@]}"; do
    "$bin/$program" --gtest_list_tests |
      awk -v program="$program" '/^[^ ]+\./ { suite = $1 } /^  / { print program, suite $1 }'
  done
}

# Appends "MILLISECONDS PROGRAM TEST" to the list of each place that the test reaches.
record() {
  local program=$1 test=$2 start=${EPOCHREALTIME/./} reached
  reached=$(mktemp -p "$work/reached")
  NATGRAD_HOST_CUDA_BARRIERS=$reached timeout "$longest" "$bin/$program" --gtest_filter="$test" \
    &>"$reached.log" || { [[ $? -eq 124 ]] || cp "$reached.log" "$work/failed"; return 0; }
  local milliseconds=$(((${EPOCHREALTIME/./} - start) / 1000)) place
  while read -r place; do
    echo "$milliseconds $program $test" >>"$work/tests/$place"
  done <"$reached"
}
export -f record

# Runs the tests "MILLISECONDS PROGRAM TEST" of standard input in as many processes as there are programs.
run() {
  awk '{ ms[$2] += $1; filter[$2] = filter[$2] ":" $3 }
       END { for (p in ms) print p, int(10 + 5 * ms[p] / 1000), substr(filter[p], 2) }' |
    while read -r program limit filter; do
      timeout "$limit" "$bin/$program" --gtest_filter="$filter" &>/dev/null </dev/null || exit 1
    done
}
export -f run

# Whether a run of the tests in file $2 without the barrier at $1 fails, and only without it. The usual order of
# threads is known to pass with it.
noticed() {
  local order
  for order in 0 1 2; do
    export NATGRAD_HOST_CUDA_SHUFFLE=$order
    NATGRAD_HOST_CUDA_DROP=$1 run <"$2" && continue
    if ((order > 0)) && ! run <"$2"; then
      echo "tests that reach $1 fail with NATGRAD_HOST_CUDA_SHUFFLE=$order, barrier or not" >"$work/failed"
    fi
    return 0
  done
  return 1
}
export -f noticed

# Prints whether the loss of the barrier is noticed: by the quickest tests, a second of them, or by the others.
judge() {
  local place=$1 all=$work/tests/$1 quick=$work/quick/$1 slow=$work/slow/$1
  [[ -e $all ]] || { echo "unreached $place"; return; }
  sort -n "$all" | awk -v quick="$quick" -v slow="$slow" '{ sum += $1; print > (NR == 1 || sum < 1000 ? quick : slow) }'
  if noticed "$place" "$quick" || { [[ -e $slow ]] && noticed "$place" "$slow"; }; then
    echo "caught    $place"
  else
    echo "survived  $place"
  fi
}
export -f judge

mkdir "$work"/{reached,tests,quick,slow}
tests | xargs -P "$(nproc)" -L 1 bash -c 'record "$@"' record
places | xargs -P "$(nproc)" -L 1 bash -c 'judge "$@"' judge | sort | tee "$work/verdicts"
[[ ! -e $work/failed ]] || { echo "mutation.sh: this fails without a mutation:" >&2; cat "$work/failed" >&2; exit 1; }

all=$(wc -l <"$work/verdicts")
caught=$(grep -c ^caught "$work/verdicts" || true)
figure="caught $caught of $all ($((all > 0 ? 100 * caught / all : 0)) %)"
echo "barriers: $figure"
[[ -z ${NATGRAD_FIGURES:-} ]] || echo "R13: each barrier of the kernels dropped in turn: tests $figure (allowed: >= 95 %)" >>"$NATGRAD_FIGURES"
! grep -q ^unreached "$work/verdicts" && ((all > 0 && 100 * caught >= 95 * all))
