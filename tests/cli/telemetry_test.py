#!/usr/bin/env python3
"""tenon telemetry, as a user meets it: a deployed program's profile goes in, rows come out.

    telemetry_test.py TENON ROOT        77: the program is not built
"""
import csv
import io
import json
import os
import pathlib
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import unittest

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
NOW = time.time_ns()


def run(*words, env=None):
    return subprocess.run([TENON, *words], capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})})


class Telemetry(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.artifact = cls.root / "out"
        done = run("compile", ROOT / "models/digits.onnx", "--target", "x86-64-v2", "--emit", "so", "-o", cls.artifact)
        assert done.returncode == 0, done.stderr
        cls.manifest = json.loads((cls.artifact / "manifest.json").read_text())
        cls.calls = len(cls.manifest["calls"])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.store = self.root / (self.id().split(".")[-1] + ".db")

    def profile(self, timings, name="run.prof", build_id=None, magic=b"TENONPR1", tail=b""):
        path = self.root / name
        header = struct.pack("<8sII32sI12x", magic, 1, 24, bytes.fromhex(build_id or self.manifest["build_id"]), 0)
        path.write_bytes(header + b"".join(struct.pack("<IIQQ", *t) for t in timings) + tail)
        return path

    def good(self, runs=5):
        return [(call, 0, 1000 * (call + 1) + run, NOW + run) for run in range(runs) for call in range(self.calls)]

    def telemetry(self, *words, code=0):
        done = run("telemetry", *words, "--store", self.store, "--message-format", "json")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def ingest(self, path, *words, code=0):
        return self.telemetry("ingest", path, "--artifact", self.artifact, *words, code=code)

    def rows(self):
        return self.telemetry("export", "--device", "all", "--compiler", "all") if self.store.exists() else []

    def test_profile_becomes_rows(self):
        path = self.profile(self.good() + [(0, 1, 99999, NOW)], tail=b"half of a timing")
        [record] = self.ingest(path)
        self.assertEqual({**record, "file": ""}, {"schema": "tenon.telemetry_ingest/1", "file": "", "timings": 5 * self.calls + 1, "torn": True, "added": self.calls + 1, "known": 0})
        self.assertEqual(self.ingest(path)[0]["known"], self.calls + 1)
        rows = self.rows()
        self.assertEqual(len(rows), self.calls + 1)
        self.assertEqual({row["schema"] for row in rows}, {"tenon.measurement/1"})
        self.assertEqual([row["status"] for row in rows].count("disturbed"), 1)
        conv = next(row for row in rows if "Conv" in row["workload"].get("ops", []) and row["status"] == "ok")
        self.assertEqual(len(conv["samples"]), 5)
        self.assertEqual(conv["session"]["source"], "deployed")
        self.assertEqual(conv["device"]["microarchitecture"], self.manifest["target"]["cpu"])
        self.assertNotIn("model_name", conv)
        names = {node["name"] for kernel in self.manifest["kernels"] for node in kernel["nodes"]} - {""}
        self.assertFalse([name for name in names if json.dumps(name) in json.dumps(rows)], "names of nodes")

    def test_profile_that_grew_is_refused(self):
        self.ingest(self.profile(self.good()))
        [problem, *_] = self.ingest(self.profile(self.good(6)), code=1)
        self.assertEqual(problem["code"], "E0702")
        self.assertIn("grows", problem["help"])

    def test_poisoned_profiles_change_nothing(self):
        def timing(call=0, flags=0, ns=1000, at=NOW):
            return self.good() + [(call, flags, ns, at)] + self.good()
        for what, path in {
            "does not begin": self.profile(self.good(), magic=b"TENONPR2"),
            "shorter than its header": self.profile([], "short.prof", magic=b"TENONPR1"),
            "is of the artifact": self.profile(self.good(), "other.prof", build_id="00" * 32),
            "call ": self.profile(timing(call=self.calls), "call.prof"),
            "flags 2": self.profile(timing(flags=2), "flags.prof"),
            "no time is zero": self.profile(timing(ns=0), "zero.prof"),
            "more than a day": self.profile(timing(ns=10 ** 15), "day.prof"),
            "1970": self.profile(timing(at=2 ** 63), "when.prof"),
        }.items():
            if what.startswith("shorter"):
                path.write_bytes(path.read_bytes()[:63])
            [problem] = self.ingest(path, code=1)
            self.assertEqual(problem["code"], "E0702")
            self.assertIn(what, problem["message"])
        self.assertEqual(self.rows(), [])
        self.assertEqual(self.telemetry("stats")[0]["sessions"], 0)

    def test_zeros_at_the_end_are_a_torn_tail(self):
        [record] = self.ingest(self.profile(self.good(), tail=bytes(24 * 7)))
        self.assertTrue(record["torn"])
        self.assertEqual(record["timings"], 5 * self.calls)

    def test_here_is_another_device(self):
        path = self.profile(self.good())
        self.ingest(path)
        self.ingest(path, "--here")
        [stats] = self.telemetry("stats", "--check")
        self.assertEqual(len({row["device"] for row in stats["rows"]}), 2)
        self.assertEqual(stats["records"], 2 * self.calls)
        self.assertEqual(stats["learnable"], 0)
        devices = sorted({row["device"] for row in stats["rows"]})
        self.assertEqual(len(self.telemetry("export", "--device", devices[0][:10], "--compiler", "all")), self.calls)
        self.assertEqual(self.telemetry("prune", "--device", devices[0], "--dry-run")[0], {"schema": "tenon.telemetry_prune/1", "records": self.calls, "dry_run": True})
        self.assertEqual(self.telemetry("prune", "--device", devices[0])[0]["records"], self.calls)
        self.assertEqual({row["device"]["fingerprint"] for row in self.rows()}, {devices[1]})

    def test_bench_and_a_deployed_program_know_a_workload_by_the_same_hashes(self):
        bound = ["--target", "x86-64-v2", "--dim", "N=1", "--policy", "rules"]
        artifact = self.root / "bound"
        done = run("compile", ROOT / "models/digits.onnx", *bound, "--emit", "so", "-o", artifact)
        self.assertEqual(done.returncode, 0, done.stderr)
        manifest = json.loads((artifact / "manifest.json").read_text())
        done = run("bench", ROOT / "models/digits.onnx", *bound, "--runs", "5", "--store", self.store, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        stored = json.loads(done.stdout)["stored"]
        rows = self.rows()
        self.assertEqual(stored["timings"], len(rows))
        self.assertEqual({(row["session"]["source"], row["session"]["policy"], row["decided_by"]) for row in rows}, {("bench", "rules", "rules")})
        known = {(row["workload_hash"], row["schedule_hash"]) for row in rows}
        workloads, regions = manifest["workloads"], manifest["regions"]
        self.assertEqual({(w["workload_blake3"], w["schedule_blake3"]) for w in workloads.values()}, known)
        timings = [(call, 0, 1000, NOW + run) for run in range(3) for call in range(len(manifest["calls"]))]
        self.telemetry("ingest", self.profile(timings, "same.prof", build_id=manifest["build_id"]), "--artifact", artifact)
        deployed = {(row["workload_hash"], row["schedule_hash"]) for row in self.rows() if row["session"]["source"] == "deployed"}
        alone = {region for region in workloads if regions.count(region) == 1}
        self.assertTrue(alone)
        self.assertLessEqual({tuple(workloads[region].values()) for region in alone}, deployed)

    def test_bench_stores_no_artifact(self):
        done = run("bench", self.artifact, "--store", self.store)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("E0601", done.stderr)
        self.assertFalse(self.store.exists())

    def test_merge_and_csv(self):
        self.ingest(self.profile(self.good()))
        target = self.root / "fleet.db"
        for added in (self.calls, 0):
            done = run("telemetry", "merge", self.store, "--store", target)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"{added} records added", done.stdout)
        done = run("telemetry", "export", "--device", "all", "--compiler", "all", "--format", "csv", env={"TENON_TELEMETRY": str(target)})
        table = list(csv.DictReader(io.StringIO(done.stdout)))
        self.assertEqual(len(table), self.calls)
        self.assertEqual(len(table[0]["samples"].split(";")), 5)
        self.assertAlmostEqual(float(table[0]["median"]), 1.002e-6, delta=1e-12)
        self.assertEqual(table[0]["spills"], "")

    def test_what_is_misused(self):
        self.ingest(self.profile(self.good()))
        for words in (["export"], ["export", "--device", "all"], ["export", "--device", "xyz", "--compiler", "all"], ["merge"], ["ingest"], ["prune"],
                      ["prune", "--older-than", "5 weeks"], ["stats", "file"], ["export", "--device", "all", "--compiler", "all", "--status", "fine"]):
            self.assertEqual(self.telemetry(*words, code=2)[0]["code"], "E0601", words)
        self.assertEqual(run("telemetry", "stats", env={"TENON_TELEMETRY": ""}).returncode, 2)

    def test_poisoned_store_changes_nothing(self):
        self.ingest(self.profile(self.good()))
        bad = self.root / "bad.db"
        run("telemetry", "merge", self.store, "--store", bad)
        with sqlite3.connect(bad) as db:
            db.execute("UPDATE record SET median = 1e-12")
        db.close()
        problems = self.telemetry("merge", bad, code=1)
        self.assertEqual({problem["code"] for problem in problems}, {"E0702"})
        self.assertEqual(len(problems), self.calls)
        self.assertEqual(len(self.rows()), self.calls)


if __name__ == "__main__":
    if not TENON.exists():
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
