#!/usr/bin/env python3
"""Compiles that are killed at any moment leave a whole artifact or none, and no rubbish for good.

    interrupt_test.py TENON ROOT        77: the program is not built
"""
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
ROUNDS = 12


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


class Interrupt(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.random = random.Random(7)

    def start(self, output, level):
        return subprocess.Popen([TENON, "compile", ROOT / "models" / "digits.onnx", "-o", self.root / output, f"-O{level}"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def whole(self, output, level):
        begin = time.monotonic()
        self.assertEqual(self.start(output, level).wait(120), 0)
        return contents(self.root / output), time.monotonic() - begin

    def kill(self, output, level, seconds):
        process = self.start(output, level)
        time.sleep(self.random.uniform(0, 1.1 * seconds))
        process.send_signal(self.random.choice([signal.SIGINT, signal.SIGTERM, signal.SIGKILL]))
        process.wait(120)

    def test_new_folder(self):
        wanted, seconds = self.whole("wanted", 2)
        for k in range(ROUNDS):
            self.kill(f"out{k % 3}", 2, seconds)
            folder = self.root / f"out{k % 3}"
            if folder.exists():
                self.assertEqual(contents(folder), wanted)
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()
        for k in range(3):
            self.assertEqual(self.whole(f"out{k}", 2)[0], wanted)
        self.assertEqual([path.name for path in self.root.iterdir() if path.name.startswith(".")], [])

    def test_existing_folder(self):
        old, _ = self.whole("old", 0)
        new, seconds = self.whole("new", 2)
        self.assertNotEqual(old, new)
        self.whole("out", 0)
        for k in range(ROUNDS):
            self.kill("out", 2 if k % 2 == 0 else 0, seconds)
            found = contents(self.root / "out")
            if "manifest.json" in found:
                self.assertIn(found, (old, new))
        self.assertEqual(self.whole("out", 2)[0], new)
        self.assertEqual([path.name for path in (self.root / "out").iterdir() if path.name.startswith(".")], [])


if __name__ == "__main__":
    if not TENON.exists():
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
