#!/usr/bin/env bash
# Measures the promises of docs/reliability.md and prints their table: reliability.sh [--quick] [--write] [BUILD]
#
#   BUILD      a build tree with the tests and host CUDA, built (build/test, which scripts/test.sh makes)
#   --quick    without what takes longer than some minutes: fuzzing, sanitizers, mutation, nvcc
#   --write    the table goes to docs/reliability.md too
#
# Ends with 1 where a promise is not met or has no figure. R15 needs a GPU (scripts/gpu_check.sh) and does not count.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quick=false write=false build=build/test
for option in "$@"; do
  case $option in
    --quick) quick=true ;;
    --write) write=true ;;
    -*) echo "reliability: $option is neither --quick nor --write" >&2 && exit 2 ;;
    *) build=$option ;;
  esac
done
[[ -f $build/CTestTestfile.cmake ]] || { echo "reliability: $build is no build tree; scripts/test.sh makes one" >&2 && exit 2; }

promises=(
  "R1|solves are backward stable"
  "R2|per-sample gradients are right"
  "R3|devices agree"
  "R4|the Fisher algebra holds"
  "R5|the KL bound is kept"
  "R6|nothing non-finite is silent"
  "R7|no checkpoint is torn"
  "R8|I/O faults are caught"
  "R9|no memory, no surprise"
  "R10|to resume is not to have stopped"
  "R11|the same run gives the same bits"
  "R12|parsers survive anything"
  "R13|kernels are race-free and in bounds"
  "R14|kernels compile well everywhere"
  "R15|the GPU agrees"
  "Limits|sizes and memory have bounds that are told"
  "Soak|long runs neither grow nor slow down"
)
slow=(R13 R14) # those that have no figure but from scripts

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
NATGRAD_FIGURES=$(realpath "$build")/figures.txt # where the tests of this tree put theirs
export NATGRAD_FIGURES
: >"$NATGRAD_FIGURES"
: >"$work/failed"

echo "== tests with the label reliability"
ctest --test-dir "$build" -L reliability --parallel "$(nproc)" --output-on-failure --no-tests=error | tee "$work/ctest" || true
sed -nE '/Test +#/{/ Passed /!s/.*reliability\.([a-z_]+\.)*([A-Z][A-Za-z0-9]*) .*/\2/p}' "$work/ctest" >>"$work/failed"

check() { # PROMISE COMMAND…
  echo "== ${*:2}"
  "${@:2}" || echo "$1" >>"$work/failed"
}
if ! $quick; then
  check R12 scripts/fuzz.sh
  check R13 scripts/sanitizers.sh
  check R13 scripts/mutation.sh "$build"
  check R14 scripts/registers.sh
fi

# --- the table ---------------------------------------------------------------------------------------------------------
field() { sed -nE "s/.*\"$2\": \"([^\"]*)\".*/\1/p" "$1" | head -n 1; } # of a record
gpu_figure() {
  local record
  record=$(find bench/records -name 'gpu_check-*.json' 2>/dev/null | sort | tail -n 1)
  [[ -n $record ]] || { echo "no GPU here, and no record of one" && return; }
  echo "$(field "$record" date), $(field "$record" device), driver $(field "$record" driver), commit $(field "$record" commit):" \
       "$(grep -c '"status": "failed' "$record" || true) checks failed (allowed: 0)"
}

{
  echo "| | promise | figure | met |"
  echo "|---|---|---|---|"
  for promise in "${promises[@]}"; do
    id=${promise%%|*} name=${promise#*|} met=yes
    mapfile -t figures < <(sed -n "s/^$id: //p" "$NATGRAD_FIGURES" | sed 's/|/\\|/g')
    if [[ $id == R15 ]]; then
      figures=("$(gpu_figure)") met=-
      [[ ${figures[0]} == "no GPU"* ]] || { [[ ${figures[0]} == *": 0 checks"* ]] && met=yes || met=no; }
    elif grep -qx "$id" "$work/failed"; then
      met=no
    elif $quick && [[ " ${slow[*]} " == *" $id "* ]]; then
      figures=("left out: --quick") met=-
    elif [[ ${#figures[@]} -eq 0 ]]; then
      met=no
    fi
    [[ ${#figures[@]} -gt 0 ]] || figures=("none: it was not measured")
    [[ $met != no ]] || echo "$id" >>"$work/not_met"
    for figure in "${figures[@]}"; do
      echo "| $id | $name | $figure | $met |"
      name=''
    done
  done
} >"$work/table"

compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
about="$(date -u +%Y-%m-%d), commit $(git describe --always --dirty --abbrev=12),\
$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $(nproc) cores, $("$compiler" --version | head -n 1)\
$($quick && echo "; with --quick" || true)"

echo
echo "$about"
echo
cat "$work/table"
if $write; then
  { echo "$about" && echo && cat "$work/table"; } >"$work/section"
  sed -i -e "/^<!-- table/,/^<!-- end/{/^<!-- table/{p;r $work/section
  };/^<!-- end/p;d}" docs/reliability.md
fi
[[ ! -e $work/not_met ]] || { echo "reliability: not met: $(xargs <"$work/not_met")" >&2 && exit 1; }
