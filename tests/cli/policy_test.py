#!/usr/bin/env python3
"""Policies that search the planner's answers, as a user meets them: learnt, compared, compiled with.

    policy_test.py TENON ROOT        77: the program is not built
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
DIGITS = ROOT / "models" / "digits.onnx"
TABLES = ROOT / "tools" / "dev" / "learning_tables.py"


def run(*words):
    return subprocess.run([TENON, *map(str, words)], capture_output=True, text=True, timeout=300)


class Policies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.models = []
        for k, name in enumerate(("resnet_digits", "bert_digits", "kws_digits")):  # of three families
            shutil.copy(DIGITS, cls.root / f"{name}.onnx")
            cls.models.append(f"{cls.root / name}.onnx:N={1 << k}")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def train(self, name, *more):
        file = self.root / name
        done = run("train-policy", *self.models, "--target", "x86-64-v3", "--sweeps", "2", "--budget", "8", "-o", file, *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return file

    def test_the_same_models_make_the_same_bytes(self):
        one, two = self.train("a.q"), self.train("b.q", "-j", "2")
        self.assertEqual(one.read_bytes(), two.read_bytes())

    def test_plans_of_rl_and_beam_compile_as_they_are_printed(self):
        q = self.train("plan.q")
        for policy in (["--policy", "rl", "--q-model", q], ["--policy", "beam", "--beam-width", "2", "--beam-budget", "20"]):
            words = [DIGITS, "--dim", "N=2", "--target", "x86-64-v2", *policy]
            one, two = run("plan", *words, "--json"), run("plan", *words, "--json")
            self.assertEqual(one.returncode, 0, one.stderr)
            self.assertEqual(one.stdout, two.stdout)
            out = self.root / f"out_{policy[1]}"
            done = run("compile", *words, "-o", out, "--emit", "so")
            self.assertEqual(done.returncode, 0, done.stderr)
            verified = run("verify", DIGITS, out, "--dim", "N=2")
            self.assertEqual(verified.returncode, 0, verified.stderr)

    def test_what_cannot_be_is_refused(self):
        plan = ["plan", DIGITS, "--dim", "N=2", "--target", "x86-64-v3"]
        self.assertIn("--q-model", run(*plan, "--policy", "rl").stderr)
        q = self.train("refused.q")
        self.assertIn("E0703", run(*plan, "--policy", "model", "--cost-model", q).stderr)
        bad = self.root / "bad.q"
        bad.write_text(q.read_text()[:-40])
        self.assertIn("E0703", run(*plan, "--policy", "rl", "--q-model", bad).stderr)
        self.assertEqual(run(*plan, "--policy", "rl", "--q-model", self.root / "none.q").returncode, 1)
        self.assertEqual(run(*plan, "--policy", "beam", "--beam-width", "0").returncode, 2)
        self.assertIn("E0703", run("train-policy", self.models[0], "--target", "x86-64-v3", "-o", bad).stderr)
        self.assertEqual(run("train-policy", *self.models, "--target", "x86-64-v3").returncode, 2)
        self.assertEqual(run("evaluate-policy", *self.models, "--budgets", "8,x").returncode, 2)
        self.assertIn("E0703", run("evaluate-policy", *self.models, "--measured", DIGITS).stderr)

    def test_the_comparison_is_a_record_and_the_record_a_table(self):
        words = ["evaluate-policy", *self.models, "--target", "native", "--sweeps", "2", "--learn-budget", "8", "--budgets", "4,12", "--json"]
        done = run(*words, "--measure")
        self.assertEqual(done.returncode, 0, done.stderr)
        record = json.loads(done.stdout)
        self.assertEqual(record["schema"], "tenon.policy_evaluation/1")
        self.assertEqual([f["budget"] for f in record["figures"]], [4, 12])
        self.assertEqual(len(record["trials"]), 6)
        for trial in record["trials"]:
            for found in (trial["beam"], trial["rl"]):
                self.assertLessEqual(found["evaluations"], trial["budget"])
                self.assertLessEqual(found["seconds"], trial["rules_seconds"])
                self.assertGreater(found["measured"], 0)
        file, page = self.root / "trials.jsonl", self.root / "page.md"
        file.write_text(done.stdout)
        # What was measured is learnt from, and refused where it is another target's.
        again = run(*words, "--measured", file)
        self.assertEqual(again.returncode, 0, again.stderr)
        file_of_other = self.root / "other.jsonl"
        file_of_other.write_text(json.dumps({**record, "target": "other"}) + "\n")
        self.assertIn("E0703", run(*words, "--measured", file_of_other).stderr)
        page.write_text("before\n<!-- policies: begin -->\nold\n<!-- policies: end -->\nafter\n")
        self.assertEqual(subprocess.run([sys.executable, TABLES, page, file, "--check"]).returncode, 1)
        self.assertEqual(subprocess.run([sys.executable, TABLES, page, file]).returncode, 0)
        text = page.read_text()
        self.assertIn("| 12 | 3 | measured |", text)
        self.assertNotIn("old", text)
        self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
        self.assertEqual(subprocess.run([sys.executable, TABLES, page, file, "--check"]).returncode, 0)

    def test_tables_of_other_records(self):
        figure = {"value": 0.9, "low": 0.85, "high": 0.95, "groups": 3}
        methods = {"adapted": {"pairs": figure, "mape": figure}, "prior": {"pairs": figure}}
        evaluation = {"schema": "tenon.evaluate/1", "leave": "device", "timings": 1234, "devices": 2, "seeds": 1, "probes": 32, "all": methods,
                      "splits": [{"left_out": "x86-64-v2 f860f294 32768", "timings": 234, "methods": methods}]}
        signs = {"schema": "tenon.counterfactuals/1", "target": "native", "decisions": 90, "over": 40, "measured": 20, "disturbed": 1, "signs": 18, "clear": 10, "clear_signs": 10,
                 "times": 0, "covered": 0, "counterfactuals": [{}] * 20}
        file, page = self.root / "records.jsonl", self.root / "tables.md"
        file.write_text(json.dumps(evaluation) + "\n" + json.dumps(signs) + "\n")
        page.write_text("<!-- evaluation device: begin --><!-- evaluation device: end -->\n<!-- counterfactuals: begin -->\n<!-- counterfactuals: end -->\n<!-- policies: begin -->kept<!-- policies: end -->\n")
        self.assertEqual(subprocess.run([sys.executable, TABLES, page, file]).returncode, 0)
        text = page.read_text()
        self.assertIn("| adapted |  |  | 90.0 % [85.0, 95.0] | 90.0 % [85.0, 95.0] |  |\n", text)
        self.assertIn("| x86-64-v2 | 234 |  |  | 90.0 %", text)
        self.assertIn("| native | 90 | 40 | 20 | 20, 1 disturbed | 18 of 20 (90 %) | 10 of 10 (100 %) | none |\n", text)
        self.assertIn("kept", text)
        page.write_text("no place")
        refused = subprocess.run([sys.executable, TABLES, page, file], capture_output=True, text=True)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("there is no place for the table", refused.stderr)


if __name__ == "__main__":
    if not TENON.exists():
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
