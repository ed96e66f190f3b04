#!/usr/bin/env bash
# Installs what Tenon builds with: Debian packages that are missing, and ONNX's C++ library from its
# pinned PyPI source distribution. Says what it installs; never touches what is there.
#
#   tools/deps.sh            everything
#   tools/deps.sh --prefix   prints the folder that holds the ONNX library, installs nothing
#   tools/deps.sh --onednn   prints the folder of oneDNN, which the tests of --providers load, installs nothing
#   tools/deps.sh --python   prints the Python with NumPy that the tests use, installs nothing
set -euo pipefail

onnx_version=1.23.2
onnx_sha256=008cb0467b2bbee41448acc7da8b6f4e704624cb0d327a2d5adafc7ce19bc5b8
deps="${TENON_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/tenon/deps}"
prefix="$deps/onnx-$onnx_version"
python="$deps/python/bin/python3"
onednn="$deps/onednn-3.2"
onednn_wheel=onednn_cpu_gomp-2023.2.0-py2.py3-none-manylinux1_x86_64.whl
onednn_sha256=2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb
[ "${1:-}" = --onednn ] && { echo "$onednn"; exit 0; }
[ "${1:-}" = --prefix ] && { echo "$prefix"; exit 0; }
[ "${1:-}" = --python ] && { echo "$python"; exit 0; }

# Package, and the issue-sized reason for it: docs/dependencies.md.
packages=(
  g++ cmake ninja-build ccache python3 python3-pip python3-venv git
  llvm-19-dev liblld-19-dev lld-19 clang-19 libclang-rt-19-dev zlib1g-dev libzstd-dev
  libprotobuf-dev protobuf-compiler libspdlog-dev libcli11-dev nlohmann-json3-dev
  libtomlplusplus-dev libgtest-dev librapidcheck-dev libmpfr-dev libhwloc-dev zlib1g-dev libxgboost-dev libsqlite3-dev
  qemu-user clang-format-19
)
missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
done
if [ "${#missing[@]}" -gt 0 ]; then
  echo "installing Debian packages: ${missing[*]}" >&2
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! "$python" -c 'import numpy' 2>/dev/null; then
  echo "making a Python environment with NumPy in $deps/python" >&2
  rm -rf "$deps/python"
  python3 -m venv "$deps/python"
  "$python" -m pip install -q --disable-pip-version-check numpy
fi

# Version 3, which Debian 12 lacks; there are wheels for x86-64 only. Tenon builds without it.
if [ "$(uname -m)" = x86_64 ] && [ ! -f "$onednn/libdnnl.so.3" ]; then
  echo "fetching oneDNN 3.2 into $onednn" >&2
  fetched=$(mktemp -d)
  python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --dest "$fetched" onednn-cpu-gomp==2023.2.0
  echo "$onednn_sha256  $fetched/$onednn_wheel" | sha256sum --check --quiet
  python3 -m zipfile -e "$fetched/$onednn_wheel" "$fetched/wheel"
  mkdir -p "$onednn"
  mv "$fetched"/wheel/*.data/data/lib/libdnnl.so.3.2 "$onednn/libdnnl.so.3"
  rm -rf "$fetched"
fi

if [ ! -f "$prefix/lib/libonnx.a" ]; then
  echo "building ONNX $onnx_version into $prefix (about two minutes)" >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # A plain `pip download` would run ONNX's build backend for metadata; the sdist itself is all we need.
  python3 -m pip download -q --no-deps --no-binary onnx --dest "$work" "onnx==$onnx_version"
  echo "$onnx_sha256  $work/onnx-$onnx_version.tar.gz" | sha256sum --check --quiet
  tar -xzf "$work/onnx-$onnx_version.tar.gz" -C "$work"
  src="$work/onnx-$onnx_version"
  # ONNX asks for CMake 3.26 and builds with Debian's 3.25 as it is.
  sed -i 's/cmake_minimum_required(VERSION 3.26)/cmake_minimum_required(VERSION 3.25)/' "$src/CMakeLists.txt"
  # Without the call ONNX tries to download protobuf.
  sed -i "/^project(onnx/a find_package(Protobuf REQUIRED)" "$src/CMakeLists.txt"
  launcher=(); command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  cmake -S "$src" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DONNX_USE_UNITY_BUILD=ON \
    -DONNX_ML=ON -DBUILD_SHARED_LIBS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON "${launcher[@]}" \
    -DCMAKE_INSTALL_PREFIX="$prefix.tmp" -DCMAKE_INSTALL_LIBDIR=lib >"$work/log" 2>&1 \
    && cmake --build "$work/build" >>"$work/log" 2>&1 \
    && cmake --install "$work/build" >>"$work/log" 2>&1 || { tail -40 "$work/log" >&2; exit 1; }
  rm -rf "$prefix"; mkdir -p "$(dirname "$prefix")"; mv "$prefix.tmp" "$prefix"
fi
