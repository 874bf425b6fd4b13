#!/usr/bin/env bash
# Installs the library, static and shared, without and (where nvcc is) with CUDA, and builds and runs a consumer
# against each installed package; checks that the release preset's program is hardened.
set -euo pipefail
root=$(dirname "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)")
work=$root/build/install
rm -rf "$work"

try() {  # name, cmake arguments of the library
  local name=$1
  shift
  cmake -S "$root" -B "$work/$name" -G Ninja -DCMAKE_BUILD_TYPE=Release -DNATGRAD_BUILD_TESTS=OFF \
        -DNATGRAD_BUILD_EXAMPLES=OFF -DNATGRAD_BUILD_BENCH=OFF -DCMAKE_INSTALL_PREFIX="$work/$name-prefix" "$@" >"$work-$name.log"
  cmake --build "$work/$name" >>"$work-$name.log"
  cmake --install "$work/$name" >>"$work-$name.log"
  local nvcc
  nvcc=$(sed -nE 's/^NATGRAD_CUDA_COMPILER:FILEPATH=(.*nvcc)$/\1/p' "$work/$name/CMakeCache.txt")
  CUDACXX=$nvcc cmake -S "$root/tests/consumer" -B "$work/$name-consumer" -G Ninja \
        -DCMAKE_PREFIX_PATH="$work/$name-prefix" >>"$work-$name.log"
  cmake --build "$work/$name-consumer" >>"$work-$name.log"
  local program said
  for program in consumer ${nvcc:+device_levenberg_marquardt device_separable}; do
    said=$("$work/$name-consumer/$program")
    echo "$program with the $name package: $said"
  done
  # The program finds its data from where it is installed, from any folder.
  (cd / && "$work/$name-prefix/bin/natgrad" train --steps 1 --quiet --out "$work/$name-run")
}

# What the release preset's flags leave in a program: it lies anywhere, its relocations are read-only before main(),
# overrun stacks and buffers end it, and so do jumps to where no function begins.
require_hardened() { # program
  local found mark
  found=$(readelf --wide --headers --dynamic --dyn-syms "$1")
  for mark in 'Position-Independent Executable' GNU_RELRO 'Flags: NOW' __stack_chk_fail@ '__[a-z]+_chk@'; do
    grep -qE "$mark" <<<"$found" || { echo "$1: lacks '$mark' of the release preset" >&2 && exit 1; }
  done
  [[ $(objdump -d "$1" | grep -c endbr64) -gt 100 ]] || { echo "$1: lacks endbr64 of -fcf-protection" >&2 && exit 1; }
}

mkdir -p "$work"
try static-cpu --preset release -DNATGRAD_ARCH=native -DNATGRAD_CUDA=OFF
require_hardened "$work/static-cpu-prefix/bin/natgrad"
try shared-cpu -DNATGRAD_CUDA=OFF -DBUILD_SHARED_LIBS=ON
if grep -q 'NATGRAD_CUDA_COMPILER:FILEPATH=.*nvcc$' "$work/static-cpu/CMakeCache.txt"; then
  try static-cuda -DNATGRAD_CUDA=ON
  try shared-cuda -DNATGRAD_CUDA=ON -DBUILD_SHARED_LIBS=ON
fi

# Public headers stand on the standard library alone.
third_party=$(grep -rhoE '#include <[^>]+>' "$root/include" | sort -u | grep -E '/|\.h>|\.hpp>' | grep -v '<natgrad/' || true)
if [[ -n $third_party ]]; then
  echo "public headers include third-party headers: $third_party" >&2
  exit 1
fi
