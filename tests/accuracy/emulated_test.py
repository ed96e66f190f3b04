#!/usr/bin/env python3
"""Programs for other architectures, made here and run under QEMU: within the reference's bound, and the same
results as this machine's own. Quantised networks differ by the roundings after their integers only.

    emulated_test.py TENON ROOT        77: the program, QEMU or the models are not there
"""
import os
import pathlib
import shutil
import tempfile
import unittest

from common import main, read_npy, records, shared, tenon

MODELS = {
    "mnist": "vision/mnist", "ic_f32": "mlperf_tiny/ic_f32", "kws_int8": "mlperf_tiny/kws_int8",
    "ad_int8": "mlperf_tiny/ad_int8", "magika": "text/magika_v3_3",
}
EMULATORS = {"aarch64": "qemu-aarch64", "rv64gcv": "qemu-riscv64"}


class Emulated(unittest.TestCase):
    def setUp(self):
        missing = [e for e in EMULATORS.values() if not shutil.which(e)]
        if missing and os.environ.get("CI"):
            self.fail(f"{missing} are not installed")
        if missing:
            self.skipTest(f"{missing} are not installed")
        self.models = shared() / "models"

    def run_there(self, model, target, folder, dims):
        out = pathlib.Path(folder) / target
        done = tenon("compile", model, "--target", target, "--emit", "so" if target == "native" else "exe", "-o", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = tenon("run", out, "--input", "random:0", *dims, "-o", out / "outputs")
        self.assertEqual(done.returncode, 0, done.stderr)
        return out, {f.name: read_npy(f) for f in (out / "outputs").glob("*.npy")}

    def check(self, name):
        model = self.models / (MODELS[name] + ".onnx")
        dims = ["--dim", "unk__214=1"] if name == "magika" else []
        with tempfile.TemporaryDirectory() as folder:
            _, here = self.run_there(model, "native", folder, dims)
            self.assertTrue(here)
            for target in EMULATORS:
                out, there = self.run_there(model, target, folder, dims)
                (report,) = [r for r in records("verify", model, out, *dims) if r["schema"] == "tenon.verify/1"]
                self.assertTrue(report["passed"], f"{name} on {target}: {report}")
                self.assertEqual(here.keys(), there.keys())
                for output, (shape, want) in here.items():
                    self.assertEqual(there[output][0], shape)
                    # Two results within the bound differ by twice that; equal integers, by what follows them.
                    bound = max(o["bound"] for o in report["outputs"])
                    for a, b in zip(want, there[output][1]):
                        allowed = 4 * 2**-24 * max(abs(a), abs(b)) if name == "ad_int8" else 2 * bound
                        self.assertLessEqual(abs(a - b), allowed, f"{name} on {target}: {output}")

    def test_mnist(self):
        self.check("mnist")

    def test_ic_f32(self):
        self.check("ic_f32")

    def test_kws_int8(self):
        self.check("kws_int8")

    def test_ad_int8(self):
        self.check("ad_int8")

    def test_magika(self):
        self.check("magika")


if __name__ == "__main__":
    main()
