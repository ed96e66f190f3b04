#!/usr/bin/env python3
"""`--precision bf16`: asked for, said in plan and manifest, measured by `verify` and judged by bounds of its own.

    bf16_test.py TENON ROOT        77: the program is not built
"""
import json
import pathlib
import platform
import tempfile
import unittest

from common import DIGITS, ROOT, main, missing, records, tenon

# bf16 as an atom of a device that every x86 machine of the last ten years can run: slower than multiply-adds, so that the
# kernels widen pairs of bf16 and multiply-add them.
ATOM = """[[atom]]
name = "vdpbf16ps"
types = ["bf16", "bf16", "f32"]
lanes = 8
k = 2
gops = 1

[cache]"""


class Bf16(unittest.TestCase):
    def setUp(self):
        if platform.machine() != "x86_64" or " avx2 " not in pathlib.Path("/proc/cpuinfo").read_text():
            missing("needs an x86-64 machine with AVX2")
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        text = (ROOT / "backends/targets/x86-64-v3.toml").read_text()
        self.assertIn("[cache]", text)
        self.target = self.path / "halves.toml"
        self.target.write_text(text.replace("[cache]", ATOM, 1))

    def tearDown(self):
        self.folder.cleanup()

    def compile(self, name, *words):
        out = self.path / name
        done = tenon("compile", DIGITS, "--target", self.target, "-o", out, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out, json.loads((out / "manifest.json").read_text())

    def verify(self, *words):
        found = [r for r in records("verify", DIGITS, *words, "--dim", "N=3") if r["schema"] == "tenon.verify/1"]
        self.assertTrue(found, words)
        return found[0]

    def test_rounded_products_are_within_their_bounds_and_err_more_than_strict_ones(self):
        strict, strict_manifest = self.compile("strict")
        narrow, manifest = self.compile("narrow", "--precision", "bf16")
        self.assertNotIn("precision", strict_manifest)
        self.assertEqual(manifest["precision"], "bf16")
        self.assertLess(manifest["weights"]["bytes"], 0.7 * strict_manifest["weights"]["bytes"])
        exact, rounded = self.verify(strict), self.verify(narrow, "--layers", "--target", self.target)
        self.assertTrue(exact["passed"] and rounded["passed"])
        self.assertGreater(rounded["outputs"][0]["max_abs"], 10 * exact["outputs"][0]["max_abs"])
        self.assertLess(exact["outputs"][0]["bound"], 0.2 * rounded["outputs"][0]["bound"])
        sums = [layer for layer in rounded["layers"] if layer["op"] in ("conv", "dot")]
        self.assertTrue(sums)
        for layer in sums:
            self.assertTrue(layer["within"] and layer["ratio"] > 1e-3, layer)

    def test_strict_bounds_do_not_cover_rounded_products(self):
        narrow, manifest = self.compile("narrow", "--precision", "bf16")
        del manifest["precision"]
        (narrow / "manifest.json").write_text(json.dumps(manifest))
        self.assertFalse(self.verify(narrow)["passed"])

    def test_the_schedule_says_it_and_replays(self):
        narrow, manifest = self.compile("narrow", "--precision", "bf16", "--emit", "so,schedule")
        schedule = next(narrow.glob("*.schedule"))
        self.assertIn("precision bf16", schedule.read_text())
        _, replayed = self.compile("replayed", "--schedule", schedule)
        self.assertEqual(replayed["precision"], "bf16")
        self.assertEqual(replayed["loops_blake3"], manifest["loops_blake3"])

    def test_the_cache_tells_precisions_apart(self):
        store = self.path / "store"
        self.compile("a", "--cache-dir", store)
        _, manifest = self.compile("b", "--cache-dir", store, "--precision", "bf16")
        self.assertEqual(manifest.get("precision"), "bf16")

    def test_fp16_is_refused(self):
        done = tenon("compile", DIGITS, "--target", self.target, "-o", self.path / "f", "--precision", "fp16")
        self.assertEqual(done.returncode, 1)
        self.assertIn("E0405", done.stderr)


if __name__ == "__main__":
    main()
