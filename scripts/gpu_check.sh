#!/usr/bin/env bash
# Checks natgrad on this machine's GPU: all tests on the real device, then the digits trained on the GPU and on the
# CPU and the two traces compared. Works from a checkout and from a bundle (gpu_bundle.sh).
# gpu_check.sh [RECORD_DIR]: writes a dated JSON record there (bench/records of the checkout by default).
# Ends with 0, 1 (something failed), or 5 (no usable GPU).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

device=$(nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv,noheader 2>/dev/null | head -1) || true
if [[ -z $device ]]; then
  echo "gpu_check: there is no usable NVIDIA GPU on this machine (nvidia-smi lists none)" >&2
  exit 5
fi

if [[ -d $here/bin ]]; then # a bundle
  bin=$here/bin
  commit=$(cat "$here/commit")
  records=${1:-$here}
  cuda=${CUDA_HOME:-/usr/local/cuda}
  export LD_LIBRARY_PATH=$here/lib:$cuda/lib64:${LD_LIBRARY_PATH:-}
else # a checkout
  root=$(dirname "$here")
  "$here/setup.sh" test
  cmake -S "$root" -B "$root/build/gpu" -G Ninja -DCMAKE_BUILD_TYPE=Release -DNATGRAD_CUDA=ON \
        -DCMAKE_CUDA_FLAGS=-lineinfo
  cmake --build "$root/build/gpu" --target natgrad_program natgrad_tests
  bin=$root/build/gpu/bin
  commit=$(git -C "$root" describe --always --dirty --abbrev=12)
  records=${1:-$root/bench/records}
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "== $device, natgrad $commit"
"$bin/natgrad" doctor | tee "$work/doctor"

echo "== tests on the device"
tests=passed
NATGRAD_REQUIRE_GPU=1 "$bin/natgrad_tests" --gtest_brief=1 | tee "$work/tests" || tests=failed
counted=$(grep -oE '\[  PASSED  \] [0-9]+' "$work/tests" | grep -oE '[0-9]+' || echo 0)

echo "== digits on the GPU and on the CPU"
for where in cuda cpu; do
  "$bin/natgrad" train --precision f64 --device "$where" --steps 12 --quiet --out "$work/$where"
done
"$bin/natgrad" train --device cuda --steps 12 --out "$work/f32" | tee "$work/summary"

# Steps: same decisions, losses within 1e-5 relative.
steps() { grep '"kl_measured"' "$1/metrics.jsonl" | sed -E 's/.*"new_loss":([^,]*).*"backtracks":([^,]*),"rejected":([^,]*).*"seconds":([^,]*).*/\1 \2 \3 \4/'; }
trace=$(paste -d' ' <(steps "$work/cuda") <(steps "$work/cpu") | awk '
  { difference = ($1 - $5) / $5; if (difference < 0) difference = -difference
    if (difference > worst) worst = difference
    if ($2 != $6 || $3 != $7) decisions++
    gpu += $4; cpu += $8 }
  END { printf "%d %g %d %.4f %.4f", NR, worst, decisions, gpu / NR, cpu / NR }')
read -r step_count worst decisions gpu_seconds cpu_seconds <<<"$trace"
agrees=$(awk -v n="$step_count" -v w="$worst" -v d="$decisions" 'BEGIN { print (n > 0 && w < 1e-5 && d == 0) ? "true" : "false" }')
f32_seconds=$(steps "$work/f32" | awk '{ sum += $4 } END { printf "%.5f", sum / NR }')

mkdir -p "$records"
record=$records/gpu_check-$(date -u +%Y%m%dT%H%M%SZ).json
cat >"$record" <<JSON
{
  "date": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
  "commit": "$commit",
  "device, compute capability, driver": "$device",
  "toolkit": "$(nvcc --version 2>/dev/null | grep -oE 'V[0-9.]+' || echo unknown)",
  "tests": "$tests",
  "tests_passed": $counted,
  "trace": {
    "steps": $step_count, "worst_relative_loss_difference_f64": $worst, "different_decisions": $decisions,
    "agrees": $agrees
  },
  "seconds_per_step": {"cuda_f64": $gpu_seconds, "cpu_f64": $cpu_seconds, "cuda_f32": $f32_seconds}
}
JSON
echo "== $record"
cat "$record"
[[ $tests == passed && $agrees == true ]]
