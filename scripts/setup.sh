#!/usr/bin/env bash
# Installs what is missing: `setup.sh build` for the program, `setup.sh test` for the tests as well, `setup.sh fuzz` for
# scripts/fuzz.sh.
# Does nothing where everything is there; where there is no apt, lists what is missing and fails.
set -euo pipefail

packages=(g++ cmake ninja-build ccache libopenblas-openmp-dev liblapacke-dev librandom123-dev libcli11-dev
          libtomlplusplus-dev libfmt-dev nlohmann-json3-dev zlib1g-dev)
if [[ ${1:-build} == test ]]; then
  packages+=(libgtest-dev librapidcheck-dev libboost-context-dev clang-format-14 gcovr)
fi

if [[ ${1:-build} == fuzz ]]; then
  packages=(clang-14 libclang-rt-14-dev cmake ninja-build ccache libfmt-dev nlohmann-json3-dev libtomlplusplus-dev zlib1g-dev)
fi

missing=()
for package in "${packages[@]}"; do
  if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed'; then
    missing+=("$package")
  fi
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "natgrad: there is no apt here; please install (Debian's names): ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  as_root=(sudo)
fi
echo "natgrad: installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
