#!/usr/bin/env bash
# Fuzzes the parsers under libFuzzer, AddressSanitizer and UBSan: fuzz.sh [SECONDS=60] [TARGET]…, every target for that
# long, as many at once as there are cores. Fails on a crash, a hang, too much memory, or a file that is read otherwise
# than written; the input is then in build/fuzz/found. Ends with a line per target and the figure of promise R12.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
shift || true
targets=("${@:-}")
[[ -n ${targets[0]} ]] || mapfile -t targets < <(ls tests/fuzz/corpus)

scripts/setup.sh fuzz
cmake -S tests/fuzz -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_CXX_COMPILER_LAUNCHER=ccache >/dev/null
cmake --build build/fuzz

found=$PWD/build/fuzz/found
rm -rf "$found" && mkdir -p "$found"
scratch=$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo /tmp)" natgrad-fuzz-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch found seconds

fuzz() { # TARGET
  local grown=build/fuzz/corpus/$1 corpus=tests/fuzz/corpus/$1
  local name=$1 dictionary=()
  [[ $1 == model || $1 == checkpoint ]] && name=safetensors
  [[ -f tests/fuzz/$name.dict ]] && dictionary=(-dict="tests/fuzz/$name.dict")
  mkdir -p "$grown"
  build/fuzz/natgrad_fuzz --target="$1" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
    -malloc_limit_mb=512 -print_final_stats=1 -artifact_prefix="$found/$1-" \
    "${dictionary[@]}" "$grown" "$corpus" >"$found/$1.log" 2>&1
}
export -f fuzz
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz "$1"' fuzz {} || true

statistic() { sed -nE "s/.*$2.*/\1/p" "$found/$1.log" | tail -n 1; } # TARGET, expression with one group
runs=0 crashes=0
for target in "${targets[@]}"; do
  if ! grep -q '^Done ' "$found/$target.log"; then
    crashes=$((crashes + 1))
    echo "fuzz: $target failed; its input and its log are in $found:" >&2
    grep -E 'ERROR|runtime error|SUMMARY|allocate|otherwise|Test unit' "$found/$target.log" >&2 || tail -n 5 "$found/$target.log" >&2
  fi
  executions=$(statistic "$target" 'number_of_executed_units: ([0-9]+)')
  printf '%s: %s executions, %s edges covered, %s\n' "$target" "${executions:-no}" \
    "$(statistic "$target" 'cov: ([0-9]+)')" "$(statistic "$target" '(allocated: .*)')"
  runs=$((runs + ${executions:-0}))
done
figure="R12: ${#targets[@]} parsers fuzzed for $seconds s each, $runs executions: $crashes failed (allowed: 0)"
echo "$figure"
[[ -z ${NATGRAD_FIGURES:-} ]] || echo "$figure" >>"$NATGRAD_FIGURES"
[[ $crashes -eq 0 ]]
