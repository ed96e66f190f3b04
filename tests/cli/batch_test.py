#!/usr/bin/env python3
"""tenon compile --manifest: grammar, output layout, exit codes, records.

    batch_test.py TENON ROOT        77: the program is not built
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
DIGITS = ROOT / "models" / "digits.onnx"


class Batch(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        (self.root / "models").mkdir()
        (self.root / "models" / "digits.onnx").write_bytes(DIGITS.read_bytes())

    def compile(self, manifest, *words, cwd="/"):
        path = self.root / "tenon.toml"
        path.write_text(manifest)
        return subprocess.run([TENON, "compile", "--manifest", path, *words], capture_output=True, text=True, timeout=120, cwd=cwd)

    def records(self, done):
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_models_times_targets(self):
        done = self.compile("""
            [defaults]
            emit = ["so"]
            targets = ["x86-64-v2", "x86-64-v3"]
            [[model]]
            file = "models/digits.onnx"
            tune_at = "N=1,N=4"
            [[model]]
            file = "models/digits.onnx"
            name = "single"
            dims = { N = 1 }
            weights = "file"
            targets = ["aarch64"]
        """)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.split() for line in done.stdout.splitlines()]
        self.assertEqual([row[:3] for row in rows],
                         [["model", "target", "status"], ["digits", "x86-64-v2", "compiled"],
                          ["digits", "x86-64-v3", "compiled"], ["single", "aarch64", "compiled"]])
        for path in ("digits/x86-64-v2/libdigits.so", "digits/x86-64-v3/libdigits.so", "single/aarch64/single.weights"):
            self.assertTrue((self.root / "out" / path).is_file(), path)
        manifest = json.loads((self.root / "out" / "single" / "aarch64" / "manifest.json").read_text())
        self.assertEqual(manifest["symbols"], [])
        calls = json.loads((self.root / "out" / "digits" / "x86-64-v2" / "manifest.json").read_text())["calls"]
        self.assertGreater(len(calls), len(manifest["calls"]))  # kernels of their own for two batches
        self.assertFalse((self.root / "out" / "digits" / "x86-64-v2" / "digits.h").exists())

    def test_goes_on_after_a_failure(self):
        (self.root / "bad.onnx").write_bytes(b"\x0a")
        done = self.compile("""
            [[model]]
            file = "missing.onnx"
            [[model]]
            file = "bad.onnx"
            targets = ["x86-64-v2", "aarch64"]
            [[model]]
            file = "models/digits.onnx"
        """, "--message-format", "json", "--jobs", "2")
        self.assertEqual(done.returncode, 1)
        artifacts = [r for r in self.records(done) if r["schema"] == "tenon.artifact/1"]
        self.assertEqual([(r["name"], r["status"]) for r in artifacts],
                         [("missing", "failed"), ("bad", "failed"), ("bad", "failed"), ("digits", "compiled")])
        self.assertEqual(artifacts[0]["codes"], ["E0101"])
        self.assertTrue((pathlib.Path(artifacts[3]["folder"]) / "manifest.json").is_file())

    def test_all_problems_at_once(self):
        done = self.compile("""
            outptu = "x"
            [defaults]
            weigths = "file"
            threads = "many"
            [[model]]
            name = "no file"
            level = 4
            [[model]]
            file = 3
            emit = ["pdf"]
            targets = ["z80", "x86-64-v2", "x86-64-v2"]
            dims = { N = "8..1" }
            shapes = { image = "1x3" }
            [[model]]
            file = "models/digits.onnx"
            name = "twin"
            tune_at = "N"
            [[model]]
            file = "models/digits.onnx"
            name = "twin"
        """, "--message-format", "json")
        self.assertEqual(done.returncode, 2)
        records = self.records(done)
        self.assertEqual({r["code"] for r in records}, {"E0604"})
        text = "\n".join(r["message"] for r in records)
        for word in ("`outptu` is not a key", "`defaults.weigths` is not a key", "`defaults.threads` must be none",
                     "`model.file` is missing", "not a C identifier: no file", "`model.level` must be 0 to 3",
                     "`model.file` has the wrong type", "`model.emit` has an unknown word", "has `z80`",
                     "has `x86-64-v2` twice", "`model.dims.N` must be", "`model.shapes.image` must be", "`model.tune_at` is not understood",
                     "taken by another model: twin"):
            self.assertIn(word, text)
        self.assertTrue(all(r["file"].endswith("tenon.toml") for r in records))
        self.assertFalse((self.root / "out").exists())

    def test_not_toml_and_not_there(self):
        self.assertEqual(self.compile("[[model]").returncode, 2)
        self.assertEqual(self.compile("").returncode, 2)
        done = subprocess.run([TENON, "compile", "--manifest", self.root / "none.toml"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("E0101", done.stderr)

    def test_command_line_options(self):
        manifest = '[[model]]\nfile = "models/digits.onnx"\nemit = ["header"]\n'
        done = self.compile(manifest, "-o", "elsewhere", cwd=self.root)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(list((self.root / "elsewhere" / "digits").iterdir())), 1)
        done = self.compile(manifest, "--target", "native", "-O3")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--target does not go with --manifest", done.stderr)
        self.assertIn("-O does not go with --manifest", done.stderr)


if __name__ == "__main__":
    if not TENON.exists():
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
