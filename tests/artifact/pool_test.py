#!/usr/bin/env python3
"""Artifacts of --threads pool: undefined symbols, bits, two models in one program, the wrappers.

    pool_test.py TENON ROOT        77: the program or gcc is not here
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
MODELS = ROOT / "models"
NUMPY = subprocess.run([sys.executable, "-c", "import numpy"], capture_output=True).returncode == 0

CPP = r"""
#include <cstring>
#include <vector>
#include "first.hpp"
int main() {
  std::vector<float> images(8 * 64, 0.5f);
  first::Pool pool(3);
  first::Model model;
  auto alone = model.run(8, images.data()), together = model.run(8, images.data(), pool.env());
  return std::memcmp(alone.probability.data(), together.probability.data(), 8 * 10 * sizeof(float)) != 0;
}
"""
PYTHON = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import first
images = np.load(sys.argv[2])
outputs = [first.Model(threads=threads)(image=images)["probability"] for threads in (1, 2, 3, 4)]
assert all((outputs[0] == other).all() for other in outputs)
try:
    first.Model(threads=0)
except first.Error:
    print("right")
"""


def command(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Pool(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = pathlib.Path(cls.folder.name)
        for name in ("first", "second"):
            command(TENON, "compile", MODELS / "digits.onnx", "--name", name, "--threads", "pool", "--emit", "so,a,o,exe,header",
                    "-o", cls.root / name)

    def test_undefined_symbols_are_exactly_these(self):
        for file in ("libfirst.so", "libfirst.a", "first.o"):
            names = [line.split()[1] for line in command("nm", "-u", self.root / "first" / file).splitlines() if " U " in line]
            self.assertEqual(sorted(names), ["pthread_create", "pthread_join"], file)
        self.assertNotIn(" U ", command("nm", "-u", self.root / "first" / "first"))  # the program has one thread
        sections = command("readelf", "-SW", self.root / "first" / "libfirst.so")
        self.assertNotRegex(sections, r" \.(data|bss)")

    def test_two_models_in_one_program(self):
        flags = [f"-I{self.root / name}" for name in ("first", "second")]
        libraries = [self.root / name / f"lib{name}.a" for name in ("first", "second")]
        program = self.root / "two_pools"
        command("gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *flags,
                ROOT / "tests" / "artifact" / "two_pools.c", *libraries, "-pthread", "-o", program)
        self.assertEqual(command(program, MODELS / "digits_images.npy"), "1 1\n")

    def test_cpp_wrapper(self):
        source = self.root / "use.cpp"
        source.write_text(CPP)
        command("g++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{self.root / 'first'}", source,
                self.root / "first" / "libfirst.a", "-pthread", "-o", self.root / "use")
        command(self.root / "use")

    @unittest.skipUnless(NUMPY, "NumPy is not here")
    def test_python_wrapper(self):
        self.assertEqual(command(sys.executable, "-c", PYTHON, self.root / "first", MODELS / "digits_images.npy"), "right\n")

    def test_foreign_targets_link(self):
        for target in ("aarch64", "rv64gcv"):
            command(TENON, "compile", MODELS / "digits.onnx", "--threads", "pool", "--target", target, "--emit", "so", "-o",
                    self.root / target)


if __name__ == "__main__":
    if not TENON.exists() or not shutil.which("gcc"):
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
