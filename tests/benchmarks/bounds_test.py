#!/usr/bin/env python3
"""`tenon bench --bounds`, the roofline's floor, and tools/dev/contractions.py.

    bounds_test.py TENON ROOT
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
MODEL = ROOT / "models" / "digits.onnx"


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)


def kernel(name, ms, roofline, loads=None, arithmetic=None, op="Conv"):
    made = {"name": name, "median_ms": ms, "roofline": roofline, "nodes": [{"index": 0, "name": "", "op": op}]}
    return made | ({} if loads is None else {"loads_ms": loads, "arithmetic_ms": arithmetic})


class Bench(unittest.TestCase):
    def test_kernels_in_halves(self):
        done = run(TENON, "bench", MODEL, "--dim", "N=64", "--bounds", "--json", "--runs", 9)
        self.assertEqual(done.returncode, 0, done.stderr)
        record = json.loads(done.stdout)
        for k in record["kernels"]:
            self.assertGreater(k["loads_ms"], 0, k["name"])
            self.assertGreater(k["arithmetic_ms"], 0, k["name"])
        self.assertEqual(record["calls"], sum(k["calls"] for k in record["kernels"]))
        self.assertEqual(record["uncounted_calls"], 0)
        self.assertAlmostEqual(record["floor_ms"], sum(k["least_ms"] for k in record["kernels"]))
        for k in record["kernels"]:
            self.assertAlmostEqual(k["least_ms"], k["roofline"] * k["median_ms"])

    def test_the_floor_is_printed(self):
        done = run(TENON, "bench", MODEL, "--dim", "N=64", "--kernels", "--runs", 5)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"roofline floor \d+\.\d+ ms of (\d+) of \1 calls: time / floor \d+\.\d\d\n")

    def test_an_artifact_has_no_halves(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run(TENON, "compile", MODEL, "--dim", "N=1", "--emit", "so", "-o", folder).returncode, 0)
            done = run(TENON, "bench", folder, "--bounds")
        self.assertEqual(done.returncode, 2)
        self.assertIn("E0601", done.stderr)

    def test_workers_in_turns(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run(TENON, "compile", MODEL, "--dim", "N=64", "--threads", "pool", "--emit", "so", "-o", folder).returncode, 0)
            done = run(TENON, "bench", folder, "--workers", 2, "--against", folder, "--against-workers", 1, "--runs", 9, "--json")
            alone = run(TENON, "bench", folder, "--against-workers", 1)
        self.assertEqual(done.returncode, 0, done.stderr)
        record = json.loads(done.stdout)
        self.assertEqual(record["threads"], 2)
        against = record["against"]
        self.assertTrue(0 < against["low"] <= against["ratio"] <= against["high"], against)
        self.assertEqual(set(against["differences"]), {0})  # one thread and many: the same bits
        self.assertEqual(alone.returncode, 2)
        self.assertIn("E0601", alone.stderr)


class Contractions(unittest.TestCase):
    def judge(self, *kernels):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "net.json"
            path.write_text(json.dumps({"kernels": kernels}))
            return run(sys.executable, ROOT / "tools/dev/contractions.py", path)

    def test_exceptions_need_an_experiment(self):
        good = kernel("good", 50.0, 0.9)
        done = self.judge(good, kernel("bad", 10.0, 0.7, 9.8, 5.0), kernel("small", 0.1, 0.1), kernel("add", 20.0, 0.1, op="Add"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("net: 1 of 2 contractions", done.stdout)
        self.assertRegex(done.stdout, r"70%  loads  98%, arithmetic  50%: loads  bad\n")
        self.assertEqual(self.judge(good, kernel("bad", 10.0, 0.7)).returncode, 1)
        self.assertEqual(self.judge(good, kernel("unknown", 10.0, None)).returncode, 1)

    def test_at_most_three(self):
        bad = [kernel(f"bad{i}", 10.0, 0.7, 9.8, 5.0) for i in range(4)]
        self.assertEqual(self.judge(*bad[:3]).returncode, 0)
        self.assertEqual(self.judge(*bad).returncode, 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
