#!/usr/bin/env bash
# Checks and measures natgrad on this machine's GPU: all tests on the device, compute-sanitizer on small ones, single
# operations and whole steps against the device's own ceilings, training on the GPU against training on the CPU, and
# the same steps in PyTorch and JAX. Works from a checkout, which it builds, and from a bundle (gpu_bundle.sh).
#
#   gpu_check.sh [--quick] [--peers PYTHON] [--host BUILD] [RECORD_DIR]
#   --quick         at most 3 minutes after the build instead of 10: fewer tests, tools and cases
#   --peers PYTHON  with NumPy, and PyTorch or JAX; without it python3, where it has them
#   --host BUILD    no GPU: rehearses all of this with the binaries of a build tree whose CUDA sources run on the host
#   RECORD_DIR      where the dated JSON record goes (bench/records of the checkout, or the bundle's folder)
#
# Ends with a table and with 0, 1 (something failed), or 5 (no usable GPU).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

quick=false python='' host='' records=''
while (($#)); do
  case $1 in
    --quick) quick=true ;;
    --peers) python=${2:?"gpu_check: --peers names a python"} && shift ;;
    --host) host=$(realpath "${2:?"gpu_check: --host names a build tree"}") && shift ;;
    -*) echo "gpu_check: $1 is none of --quick, --peers, --host" >&2 && exit 2 ;;
    *) records=$1 ;;
  esac
  shift
done

query() { nvidia-smi --query-gpu="$1" --format=csv,noheader 2>/dev/null | head -1; }
if [[ -n $host ]]; then
  device="host (the CUDA sources executed on the CPU; no GPU)"
else
  device=$(query name) || true
  if [[ -z $device ]]; then
    echo "gpu_check: there is no usable NVIDIA GPU on this machine (nvidia-smi lists none)" >&2
    exit 5
  fi
fi

# --- the programs, and where things are ------------------------------------------------------------------------------
peers=$here/peers suffix=''
if [[ -d $here/bin ]]; then # a bundle
  bin=$here/bin
  commit=$(cat "$here/commit")
  records=${records:-$here}
else
  root=$(dirname "$here")
  peers=$root/bench/peers
  commit=$(git -C "$root" describe --always --dirty --abbrev=12)
  if [[ -n $host ]]; then
    bin=$host/bin suffix=-host-cuda
    records=${records:-$host}
  else
    "$here/setup.sh" test
    cmake -S "$root" -B "$root/build/gpu" -G Ninja -DCMAKE_BUILD_TYPE=Release -DNATGRAD_CUDA=ON \
          -DCMAKE_CUDA_FLAGS=-lineinfo
    cmake --build "$root/build/gpu" --target natgrad_program natgrad_tests step_bench op_bench gpu_record
    bin=$root/build/gpu/bin
    records=${records:-$root/bench/records}
  fi
fi
natgrad=$bin/natgrad$suffix tests=$bin/natgrad_tests op_bench=$bin/op_bench$suffix step_bench=$bin/step_bench$suffix
[[ -z $host ]] || tests=$bin/natgrad_host_cuda_tests

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check NAME LIMIT COMMAND…: runs it within LIMIT seconds and what is left of all, notes how it ended, and goes on.
budget=600 SECONDS=0
! $quick || budget=180
check() {
  local name=$1 limit=$2 begin=$SECONDS code=0 status=passed left=$((budget - SECONDS))
  shift 2
  # A rehearsal is to end, not to be quick.
  [[ -z $host ]] && ((left >= limit)) || limit=$((left > 1 ? left : 1))
  echo "== $name"
  timeout "$limit" "$@" || code=$?
  if ((code == 124)); then
    status="failed: not finished within $limit s"
  elif ((code != 0)); then
    status="failed: exit code $code"
  fi
  echo "$name|$status|$((SECONDS - begin))" >>"$work/checks"
}
skip() { # NAME REASON
  echo "== $1: skipped, $2"
  echo "$1|skipped: $2|0" >>"$work/checks"
}
fact() { echo "$1=$2" >>"$work/facts"; }

# --- how much of it --------------------------------------------------------------------------------------------------
# One precision of those tests that run every kernel of the curvature and the solves; and of some more.
small='*ScoreGram*:*Gram.*/cuda_f32:*OuterProducts.*/cuda_f32:*Pairs.*/cuda_f32:*FactorAndSolve.*/cuda_f32'
if ! $quick; then
  small+=':*Fisher.*/cuda_f32:*Likelihoods.*/cuda_f32:*Network.*/cuda_f32:*Residuals.*/cuda_f32:*Replay.*/cuda_f32'
fi
if [[ -n $host ]]; then
  test_filter='Backends/LinearAlgebra.*' tools=()
  op_options=(--small --seconds 0.001) step_options=(--cases tiny-dense,tiny-gram --seconds 0.01)
  train_options=(--steps 3 --hidden 4 --batch 100)
  peer_options=(--cases tiny-dense,tiny-gram --seconds 0.01 --peer-device cpu
                --methods torch-factored,torch-jacobian,jax-factored,jax-jacobian)
elif $quick; then
  test_filter='*cuda*' tools=(memcheck racecheck)
  op_options=(--seconds 0.05)
  step_options=(--cases digits-dense-1024,mnist-256-empirical,ae-1000-empirical --seconds 0.3)
  train_options=(--steps 12) peer_options=(--cases mnist-256-empirical,ae-1000-empirical --seconds 0.3)
else
  test_filter='*' tools=(memcheck racecheck initcheck synccheck)
  op_options=(--seconds 0.2)
  cases=digits-dense-1024,mnist-256-empirical,ae-1000-empirical,ae-8192-empirical
  step_options=(--cases "$cases,mnist-256-exact,ae-1000-mc" --seconds 0.5) train_options=(--steps 12)
  peer_options=(--cases "$cases" --seconds 0.5)
fi

# --- what this machine is --------------------------------------------------------------------------------------------
fact date "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
fact commit "$commit"
fact device "$device"
fact mode "$([[ -n $host ]] && echo host || echo gpu)$($quick && echo ", quick" || true)"
fact host_processor "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) cores"
if [[ -z $host ]]; then
  fact compute_capability "$(query compute_cap)"
  fact driver "$(query driver_version)"
  fact memory "$(query memory.total)"
  fact power_limit "$(query power.limit)"
  fact clocks_idle "sm, memory: $(query clocks.sm,clocks.mem); highest: $(query clocks.max.sm,clocks.max.mem)"
fi
"$natgrad" doctor | tee "$work/doctor" || true
fact versions "$(grep -m1 -oE 'driver .*cuBLAS [0-9.]+' "$work/doctor" || echo unknown)"

# --- right? ----------------------------------------------------------------------------------------------------------
NATGRAD_REQUIRE_GPU=1 check tests 240 "$tests" --gtest_brief=1 --gtest_filter="$test_filter" \
  --gtest_output="json:$work/tests.json"

for where in cuda cpu; do
  check "training in f64 on $where" 60 "$natgrad" train --precision f64 --device "$where" --quiet --out "$work/$where" \
    "${train_options[@]}"
done
check "training in f32 on cuda" 60 "$natgrad" train --device cuda --out "$work/f32" "${train_options[@]}"

# --- fast? -----------------------------------------------------------------------------------------------------------
operations() { # SUFFIX OPTION…
  check "operations$1" 120 "$op_bench" --device cuda "${op_options[@]}" --json "$work/operations$1.json" "${@:2}"
}
steps() {
  check "steps$1" 90 "$step_bench" --device cuda "${step_options[@]}" --json "$work/steps$1.json" "${@:2}"
}
operations '' --routes library,own
operations _tf32 --routes own --tf32 --cases gram,outer-products,factor-and-solve
[[ -n $host ]] || fact clocks_after_operations "sm, memory: $(query clocks.sm,clocks.mem)"
steps ''
steps _own --route own
steps _tf32 --route own --tf32

has_peers() { "$1" -c 'import numpy
try: import torch
except ImportError: import jax' 2>/dev/null; }
if [[ -z $python && -z $host ]]; then
  python=$(command -v python3 || true)
fi
if [[ -z $python ]] || ! has_peers "$python"; then
  skip peers "$([[ -n $python ]] && echo "$python has not NumPy and PyTorch or JAX" || echo "no python"); see --peers"
else
  PYTHONDONTWRITEBYTECODE=1 check peers 240 "$python" "$peers/compare.py" --step-bench "$step_bench" --device cuda \
    --rounds 1 "${peer_options[@]}" --json "$work/peers.json"
fi

# --- clean? ----------------------------------------------------------------------------------------------------------
sanitizer=$(command -v compute-sanitizer || command -v "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" || true)
for tool in "${tools[@]}"; do
  # Races and barriers are natgrad's to answer for; accesses and first writes also those of the libraries it calls.
  kernels=()
  [[ $tool == racecheck || $tool == synccheck ]] && kernels=(--kernel-name kns=natgrad)
  if [[ -z $sanitizer ]]; then
    skip "compute-sanitizer $tool" "it is not installed"
  else
    check "compute-sanitizer $tool" 60 "$sanitizer" --tool "$tool" --error-exitcode 1 "${kernels[@]}" \
      "$tests" --gtest_brief=1 --gtest_filter="$small"
  fi
done

# --- the record ------------------------------------------------------------------------------------------------------
mkdir -p "$records"
record=$records/gpu_check$([[ -z $host ]] || echo _host)-$(date -u +%Y%m%dT%H%M%SZ).json
echo "== $record ($SECONDS s)"
"$bin/gpu_record" "$work" "$record"
