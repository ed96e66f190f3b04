#!/usr/bin/env python3
"""`--precision fp16`: asked for, said in plan and manifest, measured by `verify` and judged by bounds of its own.

    fp16_test.py TENON ROOT        77: the program is not built
"""
import re
import unittest

from common import DIGITS, main, tenon
from rounded import Rounded


class Stored(Rounded, unittest.TestCase):
    """Weights in f16, all else in f32: by a schedule, as the model is too small to wait for its weights."""
    precision, base, feature = "fp16", "x86-64-v3", "avx2"

    def narrow(self, name, *words):
        self.compile("wide", "--emit", "so,schedule")
        text = next((self.path / "wide").glob("*.schedule")).read_text()
        schedule = self.path / "narrow.schedule"
        schedule.write_text(re.sub(r"((?:^ *place .*\n)+)", r"\1  precision f16\n", text, flags=re.MULTILINE))
        return self.compile(name, "--schedule", schedule, *words)

    def verify(self, artifact, *words):
        replay = ("--schedule", self.path / "narrow.schedule") if "--layers" in words and artifact.name != "strict" else ()
        return super().verify(artifact, *words, *replay)

    def test_targets_without_f16_refuse_it(self):
        done = tenon("compile", DIGITS, "--target", "x86-64-v2", "-o", self.path / "f", "--precision", "fp16")
        self.assertEqual(done.returncode, 1)
        self.assertIn("E0405", done.stderr)


if __name__ == "__main__":
    main()
