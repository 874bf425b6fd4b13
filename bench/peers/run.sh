#!/usr/bin/env bash
# Measures natgrad's step_bench and the same step in NumPy and JAX side by side; arguments are those of
# compare.py (--help tells them). `run.sh --check` instead verifies that the peers compute the same step.
# NATGRAD_STEP_BENCH names a step_bench to use; without it one is built. Nothing is installed but a virtual
# environment under build/.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$(dirname "$here")")
build=$root/build/bench
environment=$root/build/bench-peers
requirements=$here/requirements.txt

if ! cmp -s "$requirements" "$environment/installed.txt"; then
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "run.sh: python3 cannot make virtual environments here; on Debian: apt-get install python3-venv" >&2
    exit 5
  fi
  python3 -m venv --clear "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
  cp "$requirements" "$environment/installed.txt"
fi
python=$environment/bin/python
export PYTHONDONTWRITEBYTECODE=1

if [[ ${1:-} == --check ]]; then
  exec "$python" "$here/check.py"
fi
step_bench=${NATGRAD_STEP_BENCH:-}
if [[ -z $step_bench && " $* " != *" --help "* ]]; then
  {
    "$root/scripts/setup.sh" build
    cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DNATGRAD_CUDA=OFF \
          -DNATGRAD_BUILD_BENCH=ON -DNATGRAD_BUILD_PROGRAM=OFF -DNATGRAD_BUILD_TESTS=OFF \
          -DNATGRAD_BUILD_EXAMPLES=OFF
    cmake --build "$build" --target step_bench
  } >&2
  step_bench=$build/bin/step_bench
fi
exec "$python" "$here/compare.py" --step-bench "$step_bench" "$@"
