#!/usr/bin/env bash
# Sets up, builds everything and runs all tests but those of scripts/reliability.sh; ends with the line coverage of the
# CUDA sources executed on the host. Arguments go to ctest (e.g. -R Solve).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
build=$root/build/test

"$here/setup.sh" test
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_FLAGS=-lineinfo \
      -DNATGRAD_BUILD_TESTS=ON -DNATGRAD_HOST_CUDA_PROGRAM=ON -DNATGRAD_COVERAGE=ON
cmake --build "$build"
find "$build" -name '*.gcda' -delete
export OMP_WAIT_POLICY=PASSIVE  # several tests share the cores: a thread that waits must not spin
ctest --test-dir "$build" -LE reliability --output-on-failure --parallel "$(nproc)" --no-tests=error "$@"
# A selection of tests says nothing about coverage.
[[ $# -gt 0 ]] || "$here/coverage.sh" "$build"
