#!/usr/bin/env bash
# Sets up, builds the program and trains. Arguments are those of `natgrad train`; with none, the digits.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
build=$root/build/train

{
  "$here/setup.sh" build
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DNATGRAD_BUILD_TESTS=OFF \
        -DNATGRAD_BUILD_EXAMPLES=OFF -DNATGRAD_BUILD_BENCH=OFF
  cmake --build "$build" --target natgrad_program
} >&2
exec "$build/bin/natgrad" train "$@"
