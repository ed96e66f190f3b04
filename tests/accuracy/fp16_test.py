#!/usr/bin/env python3
"""`--precision fp16`: asked for, said in plan and manifest, measured by `verify` and judged by bounds of its own.

    fp16_test.py TENON ROOT        77: the program is not built
"""
import re
import unittest

from common import DIGITS, main, tenon
from rounded import Rounded


class Scheduled(Rounded):
    """By a schedule, as rules leave so small a model in f32. `knobs`: of the regions of products."""
    precision, knobs = "fp16", ""

    def narrow(self, name, *words):
        self.compile("wide", "--emit", "so,schedule")
        text = next((self.path / "wide").glob("*.schedule")).read_text()
        text = re.sub(r"((?:^ *place .*\n)+)", r"\1  precision f16\n", text, flags=re.MULTILINE)
        text, found = re.subn(r"otherwise: rows=", f"otherwise: {self.knobs} rows=", text)
        self.assertGreater(found, 0)
        schedule = self.path / "narrow.schedule"
        schedule.write_text(text)
        return self.compile(name, "--schedule", schedule, *words)

    def verify(self, artifact, *words):
        replay = ("--schedule", self.path / "narrow.schedule") if "--layers" in words and artifact.name != "strict" else ()
        return super().verify(artifact, *words, *replay)


class Sums(Scheduled, unittest.TestCase):
    """In f16, on a machine that has its arithmetic."""
    base, feature, knobs = "goldencove", "avx512_fp16", "halves=1"


class Stored(Scheduled, unittest.TestCase):
    """Weights in f16, all else in f32."""
    base, feature = "x86-64-v3", "avx2"

    def test_targets_without_f16_refuse_it(self):
        done = tenon("compile", DIGITS, "--target", "x86-64-v2", "-o", self.path / "f", "--precision", "fp16")
        self.assertEqual(done.returncode, 1)
        self.assertIn("E0405", done.stderr)
        self.assertIn("no instruction that takes f16", done.stderr)
        self.assertIn("leave --precision out", done.stderr)


if __name__ == "__main__":
    main()
