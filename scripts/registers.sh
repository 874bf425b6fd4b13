#!/usr/bin/env bash
# Compares what nvcc makes of every kernel with the record, kernels/registers.txt: a thread's registers, and the bytes
# of its stack frame where there is one. registers.sh [--all] [--update]
#   --all      all architectures that natgrad is released for; otherwise the oldest, the main and the newest of them
#   --update   writes the record anew, for all architectures
# Fails where a kernel spills, where one needs more registers or stack than recorded, and where one has no record.
# Under another nvcc than the record's only spills are looked for. Ends with 0, 1 (failed), or 5 (no nvcc).
set -euo pipefail
root=$(dirname "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)")
record=$root/kernels/registers.txt

architectures=(75 90 120)
update=false
for option in "$@"; do
  case $option in
    --all) architectures=(75 80 86 89 90 100 120) ;;
    --update) architectures=(75 80 86 89 90 100 120) update=true ;;
    *) echo "registers: $option is neither --all nor --update" >&2 && exit 2 ;;
  esac
done

nvcc=$(command -v "${CUDACXX:-nvcc}" || command -v /usr/local/cuda/bin/nvcc || true)
if [[ -z $nvcc ]]; then
  echo "registers: there is no nvcc in CUDACXX, PATH or /usr/local/cuda/bin" >&2
  exit 5
fi
version=$("$nvcc" --version | grep -oE 'release [0-9.]+' | cut -d' ' -f2)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A whole compilation, which ccache keeps together with what ptxas said of it.
compile=($(command -v ccache || true) "$nvcc" -std=c++20 -O3 -DNDEBUG -Xptxas -v -c
         -I"$root/include" -I"$root/src" -I"$root/kernels")
for architecture in "${architectures[@]}"; do
  compile+=("--generate-code=arch=compute_$architecture,code=[sm_$architecture]")
done
sed -nE 's|.*PROJECT_SOURCE_DIR\}/(.*\.cu)\)?$|\1|p' "$root/src/cuda/sources.cmake" |
  xargs -P "$(nproc)" -I{} bash -c \
    'name=$(basename "$1"); "${@:3}" "$2/$1" -o "$0/$name.o" 2>"$0/$name.log" || { cat "$0/$name.log" >&2; exit 255; }' \
    "$work" {} "$root" "${compile[@]}"

# Lines "architecture registers stack spilled kernel", natgrad's own kernels only: the rest is Thrust's.
cat "$work"/*.log | awk '
  /Compiling entry function/ { split($0, quoted, "\047"); kernel = quoted[2]; architecture = substr(quoted[4], 4) }
  /bytes stack frame/ && kernel != "" { stack = $1; spilled = $5 + $9 }
  /Used [0-9]+ registers/ && kernel != "" {
    for (i = 1; i < NF; ++i) if ($i == "Used") print architecture, $(i + 1), stack, spilled, kernel
    kernel = "" }' | c++filt | grep 'natgrad::' | sed -E '
  s/ void / /; s/>\(.*/>/; s/^([^(<]*)\(.*/\1/; s/natgrad::(kernels::|device::)?//g
  s/float/f32/g; s/double/f64/g; s/, /,/g; s/ >/>/g' >"$work/measured"

awk -v figures="${NATGRAD_FIGURES:-}" -v architectures="${architectures[*]}" -v version="$version" -v update="$update" -v record="$record" '
  function figure(registers, stack) { return stack > 0 ? registers "+" stack : registers }
  function fail(text) { print "registers: " text; failed = 1 }
  BEGIN { count = split(architectures, wanted, " ") }
  FILENAME == record {
    if ($1 == "#" && $2 == "nvcc") recorded_version = $3
    if ($1 == "kernel") for (i = 2; i <= NF; ++i) column[i] = $i
    else if ($1 != "#") for (i = 2; i <= NF; ++i) { recorded[$1, column[i]] = $i; known[$1] = 1 }
    next }
  { seen = ($5, $1) in registers
    if (!seen || $2 > registers[$5, $1]) registers[$5, $1] = $2  # several sources may hold a kernel
    if (!seen || $3 > stack[$5, $1]) stack[$5, $1] = $3
    names[$5] = 1
    if ($4 > 0) fail("sm_" $1 " " $5 " spills " $4 " bytes") }
  END {
    compare = update == "false" && version == recorded_version
    if (update == "false" && !compare)
      print "registers: the record is " (recorded_version == "" ? "missing" : "of nvcc " recorded_version) ": only spills are looked for"
    for (name in names) {
      ++kernels
      for (i = 1; i <= count; ++i) {
        a = wanted[i]; now = figure(registers[name, a], stack[name, a])
        line[name] = line[name] sprintf(" %7s", now)
        if (!compare) continue
        if (!((name, a) in recorded)) { fail("sm_" a " " name " has no record; registers.sh --update"); continue }
        split(recorded[name, a] "+0", then, "+")
        what = "sm_" a " " name ": " now ", recorded " recorded[name, a]
        if (registers[name, a] > then[1] || stack[name, a] > then[2]) fail(what)
        else if (now != recorded[name, a]) print "registers: " what ": fewer; record with registers.sh --update"
      }
    }
    for (name in known) if (compare && !(name in names)) print "registers: " name " is no more; registers.sh --update"
    if (update == "true" && !failed) {
      print "# By kernel and architecture (sm_…): registers of a thread, + bytes of its stack frame; scripts/registers.sh." >record
      print "# nvcc " version >record
      header = sprintf("%-60s", "kernel")
      for (i = 1; i <= count; ++i) header = header sprintf(" %7s", wanted[i])
      print header >record
      close(record)
      for (name in names) printf "%-60s%s\n", name, line[name] | "LC_ALL=C sort >>\"" record "\""
    }
    if (kernels == 0) fail("no kernel was compiled")
    verdict = sprintf("%d kernels on sm_%s, nvcc %s: %s", kernels, architectures, version,
           failed ? "FAILED" : update == "true" ? "recorded" : compare ? "no spills, as recorded or fewer" : "no spills")
    print "registers: " verdict
    if (figures != "") print "R14: " verdict " (allowed: no spills, registers as recorded)" >>figures
    exit failed }' "$( [[ -f $record ]] && echo "$record" || echo /dev/null)" "$work/measured"
