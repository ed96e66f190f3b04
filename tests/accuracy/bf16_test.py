#!/usr/bin/env python3
"""`--precision bf16`: asked for, said in plan and manifest, measured by `verify` and judged by bounds of its own.

    bf16_test.py TENON ROOT        77: the program is not built
"""
import unittest

from common import main
from rounded import Rounded


class Bf16(Rounded, unittest.TestCase):
    precision, base, feature = "bf16", "x86-64-v3", "avx2"
    # bf16 as an atom of a device that every x86 machine of the last ten years can run: slower than multiply-adds, so that the
    # kernels widen pairs of bf16 and multiply-add them.
    atom = """[[atom]]
name = "vdpbf16ps"
types = ["bf16", "bf16", "f32"]
lanes = 8
k = 2
gops = 1

"""


if __name__ == "__main__":
    main()
