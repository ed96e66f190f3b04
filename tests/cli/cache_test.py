#!/usr/bin/env python3
"""tenon compile --cache-dir: hits are byte-identical, misses are explained, processes share it.

    cache_test.py TENON ROOT        77: the program is not built
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
sys.path.insert(0, str(ROOT / "tests" / "support"))
from small_onnx import shifted_model  # noqa: E402


def contents(folder):
    return {path.relative_to(folder): (path.read_bytes(), os.access(path, os.X_OK)) for path in folder.rglob("*")}


class Cache(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.model, self.data = self.root / "shifted.onnx", self.root / "shifted.bin"
        self.model.write_bytes(shifted_model("shifted.bin"))
        self.write_data(1)
        self.old(self.model)

    def old(self, path):
        os.utime(path, (time.time() - 100,) * 2)

    def write_data(self, first):
        self.data.write_bytes(bytes([0, 0, 128, 63 + first]) + bytes(12))
        self.old(self.data)

    def command(self, output, *words, cwd=None):
        return [TENON, "compile", self.model, "-o", self.root / output, "-v", "--cache-dir", self.root / "cache", *words]

    def compile(self, output, *words, env={}):
        done = subprocess.run(self.command(output, *words), capture_output=True, text=True, timeout=60, env={**os.environ, **env})
        self.assertEqual(done.returncode, 0, done.stderr)
        return "\n".join(line for line in done.stderr.splitlines() if line.startswith("cache: "))

    def test_hit_is_byte_identical(self):
        words = ("--emit", "so,a,exe,header", "--weights", "file")
        self.assertIn("never seen before", self.compile("a", *words))
        self.assertIn("shifted for x86-64-v2: found", self.compile("b", *words, "--depfile", self.root / "b.d"))
        self.assertEqual(contents(self.root / "a"), contents(self.root / "b"))
        self.assertGreater(len(contents(self.root / "b")), 6)
        self.assertEqual((self.root / "b.d").read_text().split(":")[1].split(), [str(self.model), str(self.data)])

    def test_what_changed_is_told(self):
        self.compile("a")
        self.assertIn("what changed: level\n", self.compile("b", "-O3") + "\n")
        self.compile("b")
        self.assertIn("what changed: emit, threads", self.compile("b", "--emit", "so", "--threads", "none"))
        before = contents(self.root / "a")
        self.write_data(2)
        self.assertIn("what changed: emit, external data, threads", self.compile("a"))
        self.assertNotEqual(before, contents(self.root / "a"))
        self.write_data(1)
        self.assertIn("found", self.compile("a"))
        self.assertEqual(before, contents(self.root / "a"))
        self.model.write_bytes(shifted_model("shifted.bin", opset=18))
        self.old(self.model)
        self.assertIn("model", self.compile("b").split("what changed: ")[1])

    def test_target_is_part_of_the_key(self):
        (line,) = [line for line in (ROOT / "backends/targets/x86-64-v2.toml").read_text().splitlines() if line.startswith("l2_bytes")]
        target = self.root / "mine.toml"
        shutil.copy(ROOT / "backends/targets/x86-64-v2.toml", target)
        self.compile("a", "--target", target)
        target.write_text(target.read_text().replace(line, "l2_bytes = 65536"))
        self.assertIn("what changed: target", self.compile("a", "--target", target))

    def test_damage_is_noticed(self):
        self.compile("a")
        (library,) = (self.root / "cache").rglob("libshifted.so")
        data = bytearray(library.read_bytes())
        data[-1] ^= 1
        library.write_bytes(data)
        self.assertIn("damaged", self.compile("b"))
        self.assertIn("found", self.compile("b"))
        self.assertEqual(contents(self.root / "a"), contents(self.root / "b"))

    def test_environment_and_fresh_files(self):
        words = [TENON, "compile", self.model, "-o", self.root / "a", "-v"]
        for expected in ("never seen", "found"):
            done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "TENON_CACHE_DIR": str(self.root / "c")})
            self.assertIn(expected, done.stderr)
        os.utime(self.data, (time.time() + 100,) * 2)  # as if it were being written
        self.assertIn("has just changed", self.compile("b", "-O1"))

    def test_processes_share_it(self):
        running = [subprocess.Popen(self.command(f"out{k}"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for k in range(6)]
        self.assertEqual([process.wait(60) for process in running], [0] * 6)
        self.assertIn("found", self.compile("last"))
        for k in range(6):
            self.assertEqual(contents(self.root / f"out{k}"), contents(self.root / "last"))
        self.assertEqual(list((self.root / "cache").rglob("tmp.*")), [])

    def test_unwritable_folder_is_an_error(self):
        blocked = self.root / "file"
        blocked.write_text("")
        done = subprocess.run([TENON, "compile", self.model, "-o", self.root / "a", "--cache-dir", blocked], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("E0505", done.stderr)


if __name__ == "__main__":
    if not TENON.exists():
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
