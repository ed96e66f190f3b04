#!/usr/bin/env python3
"""Installs Tenon into a temporary prefix and builds the project of this folder from it.

    install_test.py TENON ROOT BUILD        77: the program or Ninja is not here
"""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

TENON, ROOT, BUILD = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
sys.path.insert(0, str(ROOT / "tests" / "support"))
from small_onnx import shifted_model  # noqa: E402


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        root = pathlib.Path(cls.folder.name)
        cls.prefix, cls.models, cls.build = root / "prefix", root / "models", root / "build"
        cls.models.mkdir()
        for name in ("digits.onnx", "digits_images.npy", "digits_labels.npy"):
            shutil.copy(ROOT / "models" / name, cls.models / name)
        (cls.models / "shifted.onnx").write_bytes(shifted_model("shifted.bin"))
        (cls.models / "shifted.bin").write_bytes(struct.pack("<4f", 1, 2, 3, 4))
        cls.command("cmake", "--install", BUILD, "--prefix", cls.prefix)
        cls.command("cmake", "-S", ROOT / "tests" / "install", "-B", cls.build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={cls.prefix}",
                    f"-DMODELS={cls.models}", "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror -Wno-missing-field-initializers",
                    "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror")

    @classmethod
    def command(cls, *words):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise AssertionError(f"{words}\n{done.stdout}{done.stderr}")
        return done.stdout

    def make(self):
        return self.command("cmake", "--build", self.build)

    def run_program(self, name):
        return self.command(self.build / name, self.models / "digits_images.npy", self.models / "digits_labels.npy")

    def test_project(self):
        built = self.make()
        self.assertIn("Compiling model digits", built)
        self.assertEqual(self.run_program("classify_c"), "354 of 360 right\n")
        self.assertEqual(self.run_program("classify_cpp"), "354 of 360 right\n1 2 3 4 \n")
        self.assertIn("no work to do", self.make())

        # Touched but the same: compiled again, nothing else happens.
        os.utime(self.models / "digits.onnx")
        built = self.make()
        self.assertIn("Compiling model digits", built)
        self.assertNotIn("shifted", built)
        self.assertNotIn("Linking", built)
        self.assertIn("no work to do", self.make())

        # External data is a dependency.
        (self.models / "shifted.bin").write_bytes(struct.pack("<4f", 5, 6, 7, 8))
        built = self.make()
        self.assertIn("Compiling model shifted", built)
        self.assertNotIn("digits", built)
        self.assertIn("Linking CXX executable classify_cpp", built)
        self.assertEqual(self.run_program("classify_cpp"), "354 of 360 right\n5 6 7 8 \n")
        self.assertIn("no work to do", self.make())


if __name__ == "__main__":
    if not TENON.exists() or not shutil.which("ninja"):
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
