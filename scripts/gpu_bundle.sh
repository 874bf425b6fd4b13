#!/usr/bin/env bash
# Makes a bundle that checks natgrad on a GPU machine which has the CUDA toolkit and nothing else:
# gpu_bundle.sh [FILE.tar.gz]. There: tar xf FILE && natgrad-gpu/gpu_check.sh. At most 60 MiB.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
file=$(realpath -m "${1:-$root/build/natgrad-gpu.tar.gz}")
build=$root/build/gpu-bundle
bundle=$build/natgrad-gpu

mkdir -p "$(dirname "$file")" # now, not after half an hour

"$here/setup.sh" test
cmake --preset release -S "$root" -B "$build" -DNATGRAD_CUDA=ON -DNATGRAD_BUILD_TESTS=ON -DNATGRAD_BUILD_EXAMPLES=OFF \
      -DBUILD_SHARED_LIBS=ON # one copy of the kernels for five programs
programs=(natgrad natgrad_tests op_bench step_bench gpu_record)
cmake --build "$build" --target natgrad_program "${programs[@]:1}"

rm -rf "$bundle"
mkdir -p "$bundle"/{bin,libexec,lib,peers,share/natgrad}
cp "${programs[@]/#/$build/bin/}" "$bundle/libexec/"
cp -r "$root/data" "$bundle/share/natgrad/data"
cp "$root"/bench/peers/*.py "$bundle/peers/"
cp "$here/gpu_check.sh" "$bundle/"
# The libraries are for these programs alone: Python, which is run beside them, has its own.
cat >"$bundle/bin/run" <<'EOF'
#!/bin/sh
bundle=$(dirname "$(dirname "$(readlink -f "$0")")")
export LD_LIBRARY_PATH="$bundle/lib:${CUDA_HOME:-/usr/local/cuda}/lib64:$LD_LIBRARY_PATH"
exec "$bundle/libexec/$(basename "$0")" "$@"
EOF
chmod +x "$bundle/bin/run"
for program in "${programs[@]}"; do
  ln -s run "$bundle/bin/$program"
done
git -C "$root" describe --always --dirty --abbrev=12 >"$bundle/commit"

# The libraries that neither a bare system nor the CUDA toolkit has.
ldd "$bundle"/libexec/* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
  grep -vE '/(ld-linux|libc|libm|libdl|librt|libpthread|libcu[A-Za-z]*|libnv[A-Za-z]*)[-.]' |
  xargs -I{} cp -L {} "$bundle/lib/"

tar -C "$build" -czf "$file" natgrad-gpu
size=$(stat -c %s "$file")
echo "$file: $((size / 1048576)) MiB"
if ((size > 60 * 1048576)); then
  echo "the bundle is larger than 60 MiB" >&2
  exit 1
fi
