#!/usr/bin/env python3
"""Artifacts of --cpu-dispatch: which level runs, its bits, weights that are there once, the wrappers.

    dispatch_test.py TENON ROOT        77: the program is not built, or this is no x86-64
"""
import json
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import unittest

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
MODEL = ROOT / "models" / "digits.onnx"
LEVELS = ["x86-64-v2", "x86-64-v3", "x86-64-v4", "sapphirerapids"]
LIST = "v2,v3,v4,sapphirerapids"
NUMPY = subprocess.run([sys.executable, "-c", "import numpy"], capture_output=True).returncode == 0

# Prints the level that runs; 2: this processor has none.
C = r"""
#include <stdio.h>
#include <string.h>
#include "digits.h"
int main(void) {
  digits_model model;
  unsigned best = DIGITS_LEVELS, runs = 0;
  if (sizeof(digits_model) != sizeof(void*) || digits_level_name(DIGITS_LEVELS)) return 1;
  for (unsigned level = 0; level < DIGITS_LEVELS; ++level) {
    digits_status here = digits_check_level(level);
    if (digits_bind_level(&model, NULL, 0, level) != here) return 1;
    if (digits_level(&model) != (here == DIGITS_OK ? level : DIGITS_LEVELS)) return 1;
    if (here == DIGITS_OK) best = level, ++runs;
  }
  if (digits_check_level(DIGITS_LEVELS) != DIGITS_E_ARGUMENT) return 1;
  if (digits_bind_level(&model, NULL, 0, DIGITS_LEVELS) != DIGITS_E_ARGUMENT) return 1;
  digits_status status = digits_bind(&model, NULL, 0);
  if (status != digits_check() || status != (runs ? DIGITS_OK : DIGITS_E_CPU)) return 1;
  if (!runs) return digits_level(&model) == DIGITS_LEVELS ? 2 : 1;
  if (digits_level(&model) != best || strcmp(digits_level_name(DIGITS_LEVEL_x86_64_v2), "x86-64-v2") != 0) return 1;
  puts(digits_level_name(best));
  return 0;
}
"""
CPP = r"""
#include <cstdio>
#include <vector>
#include "digits.hpp"
int main() {
  std::vector<float> image(64, 0.5f);
  digits::Model best, least(DIGITS_LEVEL_x86_64_v2, nullptr, 0);
  if (least.level() != DIGITS_LEVEL_x86_64_v2 || best.level() < least.level()) return 1;
  float sum = 0;
  for (float p : least.run(1, image.data()).probability) sum += p;
  return sum > 0.99f && sum < 1.01f ? 0 : 1;
}
"""
PYTHON = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import digits
image = np.full((1, 1, 8, 8), 0.5, np.float32)
least, best = digits.Model(level="x86-64-v2"), digits.Model()
assert least.level == "x86-64-v2"
np.save(sys.argv[2], least(image=image)["probability"])
try:
    digits.Model(level="x86-64-v9")
except digits.Error:
    print(best.level)
"""


def run(*words, code=0):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120)
    if done.returncode != code:
        raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def files_of(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


class Dispatch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.scratch.name)
        cls.all = cls.root / "all"
        run(TENON, "compile", MODEL, "-o", cls.all, "--cpu-dispatch", LIST, "--emit", "so,a,o,exe,header", "-j", 2)
        cls.manifest = json.loads((cls.all / "manifest.json").read_text())
        cls.here = []  # the levels that this processor runs
        for level in LEVELS:
            if subprocess.run([TENON, "run", cls.all, "--level", level, "--input", "random:1", "--dim", "N=3", "-o",
                               cls.root / f"dispatched-{level}"], capture_output=True).returncode == 0:
                cls.here.append(level)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def test_each_level_is_the_plain_artifact_in_bits(self):
        self.assertIn("x86-64-v2", self.here)
        for level in self.here:
            plain = self.root / f"plain-{level}"
            run(TENON, "compile", MODEL, "-o", plain, "--target", level, "--emit", "so")
            run(TENON, "run", plain, "--input", "random:1", "--dim", "N=3", "-o", plain)
            self.assertEqual((plain / "probability.npy").read_bytes(),
                             (self.root / f"dispatched-{level}" / "probability.npy").read_bytes(), level)

    def test_each_level_is_right(self):
        for level in self.here:
            run(TENON, "verify", MODEL, self.all, "--level", level, "--dim", "N=2", "--layers", "--guard", "--workers", 2)

    def test_the_best_level_runs(self):
        (bench,) = run(TENON, "bench", self.all, "--dim", "N=1", "--runs", 5, "--kernels", "--json").splitlines()
        self.assertEqual(json.loads(bench)["target"], self.here[-1])
        (least,) = run(TENON, "bench", self.all, "--dim", "N=1", "--runs", 5, "--kernels", "--json", "--level", "v2").splitlines()
        self.assertEqual(json.loads(least)["target"], "x86-64-v2")
        names = {k["name"] for k in json.loads(least)["kernels"]}
        self.assertEqual(names, {k["name"] for k in self.manifest["levels"][0]["kernels"]})

    def test_manifest_and_sizes(self):
        levels = self.manifest["levels"]
        self.assertEqual([level["target"]["name"] for level in levels], LEVELS)
        self.assertEqual(self.manifest["target"]["name"], LEVELS[0])
        self.assertGreater(min(level["code_bytes"] for level in levels), 0)
        # Sapphire Rapids packs this model's weights as v4 does: nothing lies there twice.
        self.assertEqual([level["weights"]["own_bytes"] for level in levels[2:]], [0, 0])
        bound = sum(level["weights"]["bytes"] for level in levels)
        self.assertLess(self.manifest["weights"]["bytes"], bound - levels[3]["weights"]["bytes"] + 64 * 20)
        (record,) = run(TENON, "inspect", self.all, "--message-format", "json").splitlines()
        self.assertEqual([level["target"] for level in json.loads(record)["levels"]], LEVELS)

    def test_same_bytes_for_any_number_of_jobs(self):
        again = self.root / "again"
        run(TENON, "compile", MODEL, "-o", again, "--cpu-dispatch", LIST, "--emit", "so,a,o,exe,header", "-j", 1)
        self.assertEqual(files_of(self.all), files_of(again))

    def test_nothing_is_undefined_and_nothing_can_be_written(self):
        for file in ("libdigits.so", "libdigits.a", "digits.o"):
            self.assertNotIn(" U ", run("nm", "-u", self.all / file), file)
        self.assertNotRegex(run("readelf", "-SW", self.all / "libdigits.so"), r" \.(data|bss|rela)")

    def test_weights_in_a_file(self):
        out = self.root / "file"
        run(TENON, "compile", MODEL, "-o", out, "--cpu-dispatch", "v2,v3", "--weights", "file", "--emit", "so,exe")
        for level in ("x86-64-v2", "x86-64-v3"):
            if level in self.here:
                run(TENON, "verify", MODEL, out, "--level", level, "--dim", "N=2")

    def test_emulated_processors_pick_their_level(self):
        if not shutil.which("qemu-x86_64"):
            self.skipTest("qemu-x86_64 is not here")
        program, results = self.all / "digits", {}
        for cpu, level in (("Nehalem", "x86-64-v2"), ("Haswell", "x86-64-v3")):
            for name, words in (("picked", []), ("forced", ["--level", level])):
                folder = self.root / f"{cpu}-{name}"
                run("qemu-x86_64", "-cpu", cpu, program, "--random", 3, "--dim", "N=2", "--output", folder, *words)
                results[cpu, name] = (folder / "probability.npy").read_bytes()
            self.assertEqual(results[cpu, "picked"], results[cpu, "forced"])
        self.assertNotEqual(results["Nehalem", "picked"], results["Haswell", "picked"])  # fused multiply-adds
        words = ["qemu-x86_64", "-cpu", "core2duo", program, "--random", "3", "--dim", "N=2"]
        for more in ([], ["--level", "x86-64-v2"]):
            done = subprocess.run([*words, *more], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("lacks an instruction set", done.stderr)

    def test_from_c(self):
        if not shutil.which("gcc"):
            self.skipTest("gcc is not here")
        (self.root / "main.c").write_text(C)
        (self.root / "main.cpp").write_text(CPP)
        program = self.root / "main"
        run("gcc", "-std=c11", "-static", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{self.all}", self.root / "main.c",
            self.all / "libdigits.a", "-o", program)
        self.assertEqual(run(program).strip(), self.here[-1])
        if shutil.which("qemu-x86_64"):
            self.assertEqual(run("qemu-x86_64", "-cpu", "Nehalem", program).strip(), "x86-64-v2")
            self.assertEqual(run("qemu-x86_64", "-cpu", "Haswell", program).strip(), "x86-64-v3")
            run("qemu-x86_64", "-cpu", "core2duo", program, code=2)
        if shutil.which("g++"):
            run("g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", f"-I{self.all}", self.root / "main.cpp",
                self.all / "libdigits.a", "-o", self.root / "maincpp")
            run(self.root / "maincpp")

    def test_from_python(self):
        if not NUMPY:
            self.skipTest("NumPy is not here")
        (self.root / "main.py").write_text(PYTHON)
        self.assertEqual(run(sys.executable, self.root / "main.py", self.all, self.root / "out.npy").strip(), self.here[-1])

    def test_lists_that_make_no_sense(self):
        for levels, word in (("v3", "2 to 64"), ("v3,v2", "would never run"), ("v2,aarch64", "architecture"), ("v2,v2", "twice")):
            done = subprocess.run([TENON, "compile", MODEL, "-o", self.root / "no", "--cpu-dispatch", levels],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, levels)
            self.assertIn(word, done.stderr)
        for more in (["--target", "x86-64-v2"], ["--schedule", str(MODEL)]):
            done = subprocess.run([TENON, "compile", MODEL, "-o", self.root / "no", "--cpu-dispatch", LIST, *more],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, more)
        self.assertFalse((self.root / "no").exists())
        for artifact, level, word in ((self.all, "v9", "x86-64-v2, x86-64-v3"), (self.root / "plain", "v2", "--cpu-dispatch")):
            if not artifact.exists():
                run(TENON, "compile", MODEL, "-o", artifact, "--emit", "so")
            done = subprocess.run([TENON, "run", artifact, "--level", level, "--input", "random:0", "--dim", "N=1"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(word, done.stderr)

    def test_cache_and_batch(self):
        cache, out = self.root / "cache", self.root / "batch"
        model = self.root / "digits.onnx"
        shutil.copy(MODEL, model)
        (self.root / "tenon.toml").write_text('[[model]]\nfile = "digits.onnx"\ncpu_dispatch = ["v2", "v3"]\nemit = ["so"]\n')
        import time
        time.sleep(0.1)  # a model that has just changed is not kept
        for status in ("compiled", "cached"):
            (record,) = run(TENON, "compile", "--manifest", self.root / "tenon.toml", "-o", out, "--cache-dir", cache,
                            "--message-format", "json").splitlines()
            record = json.loads(record)
            self.assertEqual((record["status"], record["target"]), (status, "x86-64-v2+x86-64-v3"))
            self.assertEqual([level["target"] for level in record["levels"]], ["x86-64-v2", "x86-64-v3"])
            self.assertTrue((out / "digits" / "x86-64-v2+x86-64-v3" / "libdigits.so").exists())


if __name__ == "__main__":
    if not TENON.exists() or platform.machine() != "x86_64":
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
