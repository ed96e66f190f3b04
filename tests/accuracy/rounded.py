"""What the tests of --precision bf16 and fp16 share: a target made for the test, and what holds of every artifact whose products
are of rounded operands."""
import json
import pathlib
import platform
import tempfile
import unittest

from common import DIGITS, ROOT, records, tenon


def flags():
    return pathlib.Path("/proc/cpuinfo").read_text().split() if platform.machine() == "x86_64" else []


class Rounded:
    """Mixed into a TestCase. `precision`: what is asked for; `base`, `atom`: the target, an atom put before its caches; `feature`: of the processor."""
    precision = base = feature = None
    atom = ""

    def setUp(self):
        if self.feature not in flags():
            raise unittest.SkipTest(f"needs an x86-64 machine with {self.feature}")
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        text = (ROOT / f"backends/targets/{self.base}.toml").read_text()
        self.assertIn("[cache]", text)
        self.target = self.path / "rounded.toml"
        self.target.write_text(self.changed(text).replace("[cache]", self.atom + "[cache]", 1))

    def changed(self, text):
        return text

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

    def narrow(self, name, *words):
        return self.compile(name, "--precision", self.precision, *words)

    def test_rounded_products_are_within_their_bounds_and_err_more_than_strict_ones(self):
        strict, strict_manifest = self.compile("strict")
        narrow, manifest = self.narrow("narrow")
        self.assertNotIn("precision", strict_manifest)
        self.assertEqual(manifest["precision"], self.precision)
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
        narrow, manifest = self.narrow("narrow")
        del manifest["precision"]
        (narrow / "manifest.json").write_text(json.dumps(manifest))
        self.assertFalse(self.verify(narrow)["passed"])

    def test_the_schedule_says_it_and_replays(self):
        narrow, manifest = self.narrow("narrow", "--emit", "so,schedule")
        schedule = next(narrow.glob("*.schedule"))
        self.assertIn("precision " + {"fp16": "f16"}.get(self.precision, self.precision), schedule.read_text())
        _, replayed = self.compile("replayed", "--schedule", schedule)
        self.assertEqual(replayed["precision"], self.precision)
        self.assertEqual(replayed["loops_blake3"], manifest["loops_blake3"])

    def test_the_cache_tells_precisions_apart(self):
        store = self.path / "store"
        self.compile("a", "--cache-dir", store)
        _, manifest = self.narrow("b", "--cache-dir", store)
        self.assertEqual(manifest.get("precision"), self.precision)
