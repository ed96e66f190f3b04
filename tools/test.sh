#!/usr/bin/env bash
# Sets up, builds and runs the tests.   tools/test.sh [--quick]
#   --quick   leaves out the tests labelled slow
set -euo pipefail
cd "$(dirname "$0")/.."
bash tools/deps.sh
cmake --preset release
cmake --build build/release
labels=(); [ "${1:-}" = --quick ] && labels=(-LE slow)
ctest --test-dir build/release --output-on-failure -j"$(nproc)" "${labels[@]}"
