#!/usr/bin/env python3
"""`--precision bf16`: asked for, said in plan and manifest, measured by `verify` and judged by bounds of its own.

    bf16_test.py TENON ROOT        77: the program is not built
"""
import re
import unittest

from common import main
from rounded import Rounded


class Bf16(Rounded, unittest.TestCase):
    precision, base, feature = "bf16", "x86-64-v3", "avx2"
    # bf16 as an atom of a device that every x86 machine of the last ten years can run: slower than multiply-adds, so that the
    # kernels widen pairs of bf16 and multiply-add them. Memory is so slow that the rules round all weights.
    atom = """[[atom]]
name = "vdpbf16ps"
types = ["bf16", "bf16", "f32"]
lanes = 8
k = 2
gops = 1

"""

    def changed(self, text):
        text = re.sub(r"(l[23]_bytes) *=.*", r"\1 = 1", text)
        text = re.sub(r"(dram_gb_per_s) *=.*", r"\1 = 1e-6", text)
        self.assertEqual(text.count("bytes = 1\n") + text.count("= 1e-6\n"), 3)
        return text


if __name__ == "__main__":
    main()
