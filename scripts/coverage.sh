#!/usr/bin/env bash
# Prints which lines of kernels/ and src/cuda/ the tests over host CUDA executed: coverage.sh BUILD. Fails below 95 %.
set -euo pipefail
root=$(dirname "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)")
build=$1

if [[ -z $(find "$build" -name '*.gcda' -print -quit) ]]; then
  echo "coverage: skipped, no host-CUDA tests ran in $build"
  exit 0
fi
gcovr --root "$root" --object-directory "$build" --filter 'kernels/' --filter 'src/cuda/' --exclude '.*no_cuda.cpp' \
      --exclude-directories '.*/gpu_check' \
      --fail-under-line 95 "$build"
