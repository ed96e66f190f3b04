#!/usr/bin/env python3
"""`tenon verify --layers`: every region within its bound, and a region that is wrong is named.

    layers_test.py TENON ROOT        77: the program is not built
"""
import pathlib
import tempfile
import unittest

from common import DIGITS, TENON, main, records, tenon


class Layers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.out = pathlib.Path(self.folder.name) / "out"
        done = tenon("compile", DIGITS, "--target", "native", "--weights", "file", "-o", self.out)
        self.assertEqual(done.returncode, 0, done.stderr)

    def tearDown(self):
        self.folder.cleanup()

    def layers(self, *words):
        found = [r for r in records("verify", DIGITS, self.out, "--layers", *words) if r["schema"] == "tenon.verify/1"]
        self.assertTrue(found, words)
        return found[0]

    def test_every_region_is_within_its_bound(self):
        for n in (1, 2, 7):
            report = self.layers("--dim", f"N={n}")
            self.assertTrue(report["passed"])
            self.assertGreaterEqual(len(report["layers"]), 4)
            for layer in report["layers"]:
                self.assertTrue(layer["within"], layer)
                self.assertLessEqual(layer["ratio"], 1, layer)
            sums = [layer for layer in report["layers"] if layer["op"] in ("conv", "dot")]
            self.assertTrue(sums)
            for layer in sums:
                self.assertTrue(0 < layer["c"] <= 1 and layer["terms"] >= 1, layer)

    def test_one_wrong_weight_is_found_in_its_region_and_in_no_other(self):
        weights = self.out / "digits.weights"
        whole = bytearray(weights.read_bytes())
        # Exponents of the largest layer's weights, which fill the middle of the file.
        at = len(whole) // 2 // 64 * 64
        for k in range(at, at + 1024, 4):
            whole[k + 3] ^= 0x02
        weights.write_bytes(whole)
        report = self.layers("--dim", "N=3")
        self.assertFalse(report["passed"])
        wrong = [layer for layer in report["layers"] if not layer["within"]]
        self.assertEqual(len(wrong), 1, wrong)
        # Compiled anew from the model, every node is right: the fault is in the files.
        self.assertIn("the artifact's files", wrong[0]["node"])

    def test_another_model_or_other_options_are_refused(self):
        other = self.out.parent / "other"
        done = tenon("compile", DIGITS, "--target", "native", "--dim", "N=4", "-o", other)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = tenon("verify", DIGITS, other, "--layers")
        self.assertEqual(done.returncode, 1)
        self.assertIn("E0501", done.stderr)

    def test_a_workspace_between_guard_pages(self):
        for n in (1, 2, 5, 16):
            done = tenon("verify", DIGITS, self.out, "--guard", "--dim", f"N={n}")
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    main()
