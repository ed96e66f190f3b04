#!/usr/bin/env python3
"""Winograd's transforms and shorter polynomials, asked for by a schedule and by `--precision fast`: said in the manifest, measured by
`verify` and judged by bounds of their own.

    fast_test.py TENON ROOT        77: the program is not built
"""
import json
import pathlib
import platform
import tempfile
import unittest

from common import DIGITS, main, records, tenon, zoo

PLAIN = "place %r2 root\n  otherwise:"


class Fast(unittest.TestCase):
    def setUp(self):
        if platform.machine() != "x86_64" or " avx2 " not in pathlib.Path("/proc/cpuinfo").read_text():
            raise unittest.SkipTest("needs an x86-64 machine with AVX2")
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def compile(self, name, *words, model=DIGITS):
        out = self.path / name
        done = tenon("compile", model, "--target", "x86-64-v3", "-o", out, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out, json.loads((out / "manifest.json").read_text())

    def verify(self, *words, model=DIGITS):
        found = [r for r in records("verify", model, *words) if r["schema"] == "tenon.verify/1"]
        self.assertTrue(found, words)
        return found[0]

    def schedule(self, knobs):
        """What the rules say of the digits' network, its second convolution with more knobs."""
        if not (self.path / "plain").exists():
            self.compile("plain", "--emit", "so,schedule")
        text = next((self.path / "plain").glob("*.schedule")).read_text()
        self.assertIn(PLAIN, text)
        edited = self.path / "edited.schedule"
        edited.write_text(text.replace(PLAIN, f"{PLAIN} {knobs}"))
        return edited

    def test_transforms_are_within_their_bounds(self):
        for knobs in ("winograd=2", "winograd=4", "winograd=4 attach=2", "winograd=2 attach=2 attach_block=2"):
            with self.subTest(knobs):
                schedule = self.schedule(knobs)
                out, manifest = self.compile(knobs.replace(" ", "_"), "--schedule", schedule)
                self.assertEqual(manifest["precision"], "fast")
                self.assertNotIn("precision", json.loads((self.path / "plain" / "manifest.json").read_text()))
                layers = {}
                for name, words in ((out, ("--schedule", schedule)), (self.path / "plain", ())):
                    judged = self.verify(name, *words, "--layers", "--target", "x86-64-v3", "--dim", "N=3")
                    self.assertTrue(judged["passed"], judged)
                    layers[name] = next(layer for layer in judged["layers"] if layer["name"] == "r2")
                transformed, direct = layers[out], layers[self.path / "plain"]
                # F(2,3) of few channels errs no more than the direct sum does, but differently.
                self.assertNotEqual(transformed["max_abs"], direct["max_abs"])
                if "winograd=4" in knobs:
                    self.assertGreater(transformed["max_abs"], 1.5 * direct["max_abs"])
                self.assertGreater(transformed["ratio"], 1e-3)

    def test_strict_bounds_do_not_cover_a_wrong_tile(self):
        out, manifest = self.compile("wrong", "--schedule", self.schedule("winograd=4"), "--weights", "file")
        weights = next(out.glob("*.weights"))
        data = bytearray(weights.read_bytes())
        for at in range(len(data) // 2, len(data) // 2 + 64):
            data[at] ^= 0x20
        weights.write_bytes(data)
        self.assertFalse(self.verify(out, "--dim", "N=3")["passed"])

    def test_what_no_transform_fits_is_refused(self):
        schedule = self.path / "refused.schedule"
        schedule.write_text(self.schedule("winograd=4").read_text().replace("place %linear_1 root\n  otherwise:", "place %linear_1 root\n  otherwise: winograd=2"))
        done = tenon("compile", DIGITS, "--target", "x86-64-v3", "-o", self.path / "f", "--schedule", schedule)
        self.assertEqual(done.returncode, 1)
        self.assertIn("E0403", done.stderr)

    def test_functions_have_shorter_polynomials(self):
        layers = {}
        for name, words in (("plain", ()), ("short", ("--precision", "fast"))):
            out, manifest = self.compile(name, *words, "--emit", "so,schedule")
            self.assertEqual(manifest.get("precision", "strict"), "fast" if words else "strict")
            self.assertEqual(" functions=1" in next(out.glob("*.schedule")).read_text(), bool(words))
            judged = self.verify(out, "--layers", "--target", "x86-64-v3", "--dim", "N=3")
            self.assertTrue(judged["passed"], judged)
            layers[name] = next(layer for layer in judged["layers"] if layer["name"] == "probability")
        self.assertGreater(layers["short"]["max_rel"], layers["plain"]["max_rel"])
        self.assertLess(layers["short"]["max_rel"], 2**-16)

    def test_fast_uses_them_where_they_pay(self):
        words = ("--dim", "N=1", "--dim", "H=40", "--dim", "W=36")
        model = zoo("superres_x4")
        out, manifest = self.compile("fast", *words, "--precision", "fast", "--emit", "so,schedule", model=model)
        self.assertEqual(manifest["precision"], "fast")
        self.assertIn(" winograd=4", next(out.glob("*.schedule")).read_text())
        _, strict = self.compile("strict", *words, model=model)
        self.assertNotIn("precision", strict)
        judged = self.verify(out, *words, "--layers", model=model)
        self.assertTrue(judged["passed"], judged)


if __name__ == "__main__":
    main()
