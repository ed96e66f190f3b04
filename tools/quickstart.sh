#!/usr/bin/env bash
# From a bare Debian 12 to a compiled model: installs what is missing (and says so), builds, compiles the
# digits classifier in models/ for this machine, verifies it, classifies images it has never seen, benches it.
#
#   tools/quickstart.sh [FOLDER]     default: out/quickstart
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/quickstart}
step() { printf '\n== %s\n' "$*"; }

step "Packages and ONNX's library"
bash tools/deps.sh
step "Build"
cmake --preset release >/dev/null
cmake --build build/release --target tenon
tenon=build/release/tools/tenon

step "Compile models/digits.onnx for this machine"
"$tenon" compile models/digits.onnx --target native -o "$out/digits"
step "Verify it against the reference evaluator"
"$tenon" verify models/digits.onnx "$out/digits" --input image=models/digits_images.npy
step "Classify 360 images that the training never saw"
"$tenon" run "$out/digits" --input image=models/digits_images.npy --output "$out/results"
python3 tools/dev/classified.py "$out/results/probability.npy" models/digits_labels.npy
step "Measure it, one image at a time"
"$tenon" bench "$out/digits" --dim N=1

cat <<END

The artifact: $out/digits
  $(cd "$out/digits" && echo *)
What next:
  $tenon compile YOUR.onnx -o out/yours        # a model of your own
  $tenon compile models/digits.onnx -o out/arm --target cortex-a76 --emit so,exe,header
  $tenon --help
END
