#!/usr/bin/env python3
"""Help, exit codes and JSON records of the command line.

    cli_test.py TENON ROOT        77: the program is not built
"""
import json
import math
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
sys.path.insert(0, str(ROOT / "tests" / "support"))
from small_onnx import shifted_model  # noqa: E402
DIGITS = ROOT / "models" / "digits.onnx"


def tenon(*words):
    return subprocess.run([TENON, *map(str, words)], capture_output=True, text=True, timeout=60)


def records(*words):
    return [json.loads(line) for line in tenon(*words, "--message-format", "json").stdout.splitlines()]


class CommandLine(unittest.TestCase):
    def commands(self):
        lines = tenon("--help").stdout.split("Commands:\n")[1].split("\n\n")[0].splitlines()
        return [line.split()[0] for line in lines]

    def test_every_command_teaches_by_example(self):
        for command in self.commands():
            done = tenon(command, "--help")
            self.assertEqual(done.returncode, 0, command)
            self.assertIn(f"Examples:\n  tenon {command}".replace("tenon completions", "source <(tenon completions"), done.stdout)
            self.assertLessEqual(max(map(len, done.stdout.splitlines())), 110, command)

    def test_exit_codes(self):
        cases = {2: [["frob"], ["compile"], ["compile", "m.onnx", "-O9"], ["explain", "E9999"],
                     ["compile", DIGITS, "--dim", "N=x"], ["compile", DIGITS, "--emit", "pdf"]],
                 1: [["targets", "z80"], ["compile", "missing.onnx"], ["check", __file__]],
                 0: [["targets"], ["explain"], ["ops"], ["inspect", DIGITS], ["--version"]]}
        for code, lines in cases.items():
            for words in lines:
                self.assertEqual(tenon(*words).returncode, code, words)

    def test_exit_codes_of_models_and_artifacts(self):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            model, data, out = root / "m.onnx", root / "m.bin", root / "out"
            data.write_bytes(struct.pack("<4f", 1, 2, 3, 4))
            model.write_bytes(shifted_model("m.bin"))
            self.assertEqual(tenon("compile", model, "-o", out, "--emit", "so,header").returncode, 0)
            self.assertEqual(tenon("verify", model, out).returncode, 0)
            data.write_bytes(struct.pack("<4f", 1, 2, 3, 5))
            done = tenon("verify", model, out)
            self.assertEqual(done.returncode, 4, done.stderr)  # outputs differ
            self.assertIn("E0504", done.stderr)

            self.assertEqual(tenon("compile", model, "-o", out, "--emit", "exe", "--target", "aarch64").returncode, 0)
            done = subprocess.run([TENON, "run", out, "--input", "random:0", "-o", root], capture_output=True, text=True,
                                  env={**os.environ, "PATH": "/nowhere"})
            self.assertEqual(done.returncode, 6, done.stderr)  # the emulator is missing
            self.assertIn("E0506", done.stderr)

            model.write_bytes(shifted_model("m.bin", operator="NoSuchOperator"))
            done = tenon("compile", model, "-o", out)
            self.assertEqual(done.returncode, 3, done.stderr)  # not supported
            self.assertIn("NoSuchOperator", done.stderr)

    def test_reference_is_not_stale(self):
        self.assertEqual(tenon("help", "--markdown").stdout, (ROOT / "docs" / "cli.md").read_text(),
                         "tenon help --markdown > docs/cli.md")
        self.assertEqual(tenon("help", "compile").stdout, tenon("compile", "--help").stdout)
        self.assertEqual(tenon("help", "frob").returncode, 2)

    def test_results_go_to_stdout_and_diagnostics_to_stderr(self):
        good, bad = tenon("targets"), tenon("targets", "z80")
        self.assertTrue(good.stdout and not good.stderr)
        self.assertTrue(bad.stderr.startswith("error[E0401]") and not bad.stdout)
        self.assertIn("= help: one of: ", bad.stderr)

    def test_every_record_says_its_schema(self):
        documented = (ROOT / "docs" / "schemas.md").read_text()
        for words in (["targets"], ["explain"], ["ops", "Conv"], ["inspect", DIGITS], ["space", DIGITS], ["features", DIGITS], ["targets", "z80"]):
            found = records(*words)
            self.assertTrue(found, words)
            for record in found:
                self.assertIn(f"`{record['schema']}`", documented)

    def test_inspect_names_ports_and_symbols(self):
        (record,) = records("inspect", DIGITS)
        self.assertEqual(record["inputs"], [{"name": "image", "type": "f32", "dims": ["N", "1", "8", "8"]}])
        self.assertEqual([symbol["name"] for symbol in record["symbols"]], ["N"])

    def test_space_counts_the_schedules_of_every_region(self):
        (record,) = records("space", DIGITS, "--target", "x86-64-v3")
        for region in record["regions"]:
            product = 1
            for tile in region["tiles"]:
                self.assertLessEqual(tile["schedules"], math.prod(map(len, tile["knobs"].values())))
                product *= tile["schedules"]
            self.assertEqual(region["schedules"], product)
        done = tenon("space", DIGITS, "--target", "x86-64-v3")
        self.assertEqual(len(done.stdout.splitlines()), len(record["regions"]) + 1)
        self.assertIn("rows 1 2 3", tenon("space", DIGITS, "-v").stdout)

    def test_what_tune_locks_compile_replays(self):
        with tempfile.TemporaryDirectory() as folder:
            lock, out, plain = (os.path.join(folder, name) for name in ("digits.lock", "out", "plain"))
            words = [DIGITS, "--dim", "N=4", "--target", "native"]
            tuned = json.loads(tenon("tune", *words, "-o", lock, "--budget", "6", "--message-format", "json").stdout.splitlines()[-1])
            self.assertEqual(tuned["schema"], "tenon.tune/1")
            self.assertGreaterEqual(tuned["timings"], 6)
            self.assertEqual(tuned["candidates"], {"wrong": 0, "crashed": 0, "timeout": 0, "refused": 0})
            self.assertEqual(tenon("compile", *words, "--locked", lock, "-o", out, "--emit", "so,schedule").returncode, 0)
            self.assertIn(pathlib.Path(out, "digits.schedule").read_text(), pathlib.Path(lock).read_text())
            self.assertEqual(tenon("bench", out, "--kernels", "--runs", "6").returncode, 0)
            refused = tenon("compile", DIGITS, "--dim", "N=5", "--target", "native", "-O3", "--locked", lock, "-o", plain)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("optimisation level", refused.stderr)
            self.assertEqual(refused.stderr.count("E0403]"), 2, refused.stderr)
            self.assertFalse(os.path.exists(plain))
        self.assertEqual(tenon("tune", DIGITS, "--budget", "many").returncode, 2)

    def test_tune_at_gives_bindings_schedules_of_their_own(self):
        with tempfile.TemporaryDirectory() as folder:
            words, lock, out = [DIGITS, "--target", "x86-64-v3"], os.path.join(folder, "d.lock"), os.path.join(folder, "out")
            tuned = json.loads(tenon("tune", *words, "--tune-at", "N=1,N=4", "-o", lock, "--budget", "8", "--turns", "5", "--message-format", "json").stdout.splitlines()[-1])
            self.assertEqual([p["point"] for p in tuned["points"]], ["N=1", "N=4"])
            self.assertAlmostEqual(tuned["rules_ms"], sum(p["rules_ms"] for p in tuned["points"]))
            self.assertEqual({r["point"] for r in tuned["regions"]}, {"N=1", "N=4"})
            self.assertEqual(tuned["candidates"]["wrong"], 0)
            self.assertIn("when N == 1:", pathlib.Path(lock).read_text())
            done = tenon("compile", *words, "--locked", lock, "-o", out)
            self.assertEqual(done.returncode, 0, done.stderr)
            for n in (1, 3, 4):
                self.assertEqual(tenon("verify", DIGITS, out, "--dim", f"N={n}").returncode, 0)
        few = json.loads(tenon("tune", *words, "--tune-at", "N=1,N=4", "--budget", "1", "--turns", "5", "--message-format", "json").stdout.splitlines()[-1])
        self.assertEqual(len(few["points"]), 2)  # fewer timings than bindings: one each
        for command in "plan", "why":
            (said,) = records(command, *words, "--tune-at", "N=1,N=4")
            self.assertEqual({d.get("point") for d in said["decisions"] if d["kind"] == "schedule"}, {None, "N=1", "N=4"})
        self.assertEqual(tenon("why", *words, "--tune-at", "N=1", "--verify").returncode, 2)
        self.assertEqual(tenon("compile", *words, "--tune-at", "N=1", "--dim", "N=1", "-o", "x").returncode, 2)
        self.assertEqual(tenon("plan", *words, "--tune-at", "Q=1").returncode, 2)
        self.assertEqual(tenon("plan", *words, "--tune-at", "N").returncode, 2)

    def test_tune_fills_a_store_that_train_learns_from(self):
        with tempfile.TemporaryDirectory() as folder:
            store, model, again, bad = (os.path.join(folder, name) for name in ("t.db", "a.model", "b.model", "bad.model"))
            words = [DIGITS, "--dim", "N=4", "--target", "native"]
            tuned = records("tune", *words, "--store", store, "--budget", "12")[-1]
            self.assertEqual(tuned["resumed"], 0)
            (stats,) = records("telemetry", "stats", "--store", store)
            self.assertGreaterEqual(stats["records"], 12 + len(tuned["regions"]))
            # What a busy machine disturbs is not learnt from.
            for seed in range(1, 6):
                if stats["learnable"] >= 24:
                    break
                records("tune", *words, "--store", store, "--budget", "24", "--seed", str(seed))
                (stats,) = records("telemetry", "stats", "--store", store)
            (trained,) = records("train", store, "-o", model)
            self.assertGreaterEqual(trained["groups"], 4)
            self.assertEqual(records("train", store, "-o", again, "-j", "2")[0]["blake3"], trained["blake3"])
            self.assertEqual(pathlib.Path(model).read_bytes(), pathlib.Path(again).read_bytes())
            resumed = records("tune", *words, "--store", store, "--resume", "--cost-model", model, "--budget", "6")[-1]
            self.assertGreater(resumed["resumed"], 0)
            pathlib.Path(bad).write_text(pathlib.Path(model).read_text().replace(trained["features"], "0" * 16, 1))
            refused = tenon("tune", *words, "--cost-model", bad, "--budget", "6")
            self.assertEqual(refused.returncode, 1)
            self.assertIn("E0703", refused.stderr)
            self.assertIn("E0703", tenon("train", store, "-o", model, "--device", "none").stderr)
            alone = subprocess.run([TENON, "train", store, "-o", model], capture_output=True, text=True, env={**os.environ, "TENON_XGBOOST": "/nonexistent"})
            self.assertEqual(alone.returncode, 1)
            self.assertIn("libxgboost0", alone.stderr)
            # Without names there are no families to leave out.
            self.assertIn("E0703", tenon("evaluate-model", store).stderr)
            page = os.path.join(folder, "page.html")
            done = tenon("evaluate-model", store, "--leave", "operator", "--seeds", "1", "--json", "--html", page)
            self.assertEqual(done.returncode, 0, done.stderr)
            evaluated = json.loads(done.stdout)
            self.assertEqual((evaluated["schema"], evaluated["leave"]), ("tenon.evaluate/1", "operator"))
            self.assertGreaterEqual(len(evaluated["splits"]), 2)
            text = pathlib.Path(page).read_text()
            self.assertTrue(text.startswith("<!doctype html>") and text.endswith("</html>\n"))
            self.assertNotIn("http", text)  # one file that needs no other
        self.assertEqual(tenon("tune", DIGITS, "--resume").returncode, 2)
        for words in (["--probes", "32"], ["--probes", "3", "--leave", "device"], ["--seeds", "0"], ["--leave", "everything"]):
            self.assertEqual(tenon("evaluate-model", "none.db", *words).returncode, 2, words)

    def test_plan_and_why_list_the_same_decisions(self):
        words = [DIGITS, "--dim", "N=4", "--target", "x86-64-v3", "--policy", "hybrid"]
        (plan,) = records("plan", *words)
        (why,) = records("why", *words)
        self.assertTrue(plan["decisions"])
        self.assertEqual([(d["kind"], d["subject"], d["chosen"], d["decided_by"]) for d in plan["decisions"]],
                         [(d["kind"], d["subject"], d["chosen"], d["decided_by"]) for d in why["decisions"]])
        for decision in why["decisions"]:
            self.assertIn("reason", decision, decision["subject"])
        node = next(d["nodes"][0] for d in why["decisions"] if d["kind"] == "schedule" and d["nodes"])
        done = tenon("why", *words, "--node", node)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("roofline", done.stdout)
        self.assertEqual(tenon("why", *words, "--node", "nobody").returncode, 2)

    def test_why_shows_the_nearest_measured_records(self):
        with tempfile.TemporaryDirectory() as folder:
            store = os.path.join(folder, "t.db")
            words = [DIGITS, "--dim", "N=4", "--target", "native"]
            # Until a search was not disturbed where it timed what rules choose: such records are not shown.
            for _ in range(5):
                records("tune", *words, "--store", store, "--names", "--budget", "8")
                rows = tenon("telemetry", "export", "--store", store, "--device", "all", "--compiler", "all", "--status", "ok").stdout
                if any(json.loads(row)["decided_by"] == "rules" for row in rows.splitlines()):
                    break
            (why,) = records("why", *words, "--store", store)
            schedules = [d for d in why["decisions"] if d["kind"] == "schedule"]
            self.assertTrue(schedules)
            for decision in why["decisions"]:
                near = decision["records"]
                self.assertEqual(bool(near), decision["kind"] == "schedule")
                self.assertEqual(near, sorted(near, key=lambda r: r["distance"]))
                for r in near:
                    self.assertGreater(r["seconds"], 0)
                    self.assertEqual(r["model"], "digits")
            self.assertTrue(any(d["records"][0]["distance"] == 0 for d in schedules))  # what rules choose is always timed
            done = tenon("why", *words, "--store", store)
            self.assertIn("the nearest measured records", done.stdout)
            self.assertNotIn("records", records("why", *words)[0]["decisions"][0])
            # Another device's are not this one's.
            other = tenon("why", DIGITS, "--dim", "N=4", "--target", "x86-64-v2", "--store", store)
            self.assertEqual(other.returncode, 1)
            self.assertIn("E0703", other.stderr)
            self.assertEqual(tenon("why", *words, "--store", store, "--verify").returncode, 2)
        self.assertEqual(tenon("why", DIGITS, "--counterfactuals", "3").returncode, 2)

    def test_the_model_that_ships_has_a_name(self):
        done = tenon("plan", DIGITS, "--dim", "N=4", "--target", "x86-64-v3", "--policy", "hybrid", "--cost-model", "shipped")
        if any((ROOT / "cost_model" / "weights").glob("*.txt")):
            self.assertEqual(done.returncode, 0, done.stderr)
        else:
            self.assertEqual(done.returncode, 1)
            self.assertIn("no cost model ships with this build", done.stderr)

    def test_why_of_several_models_gives_each_its_dims(self):
        with tempfile.TemporaryDirectory() as folder:
            other = os.path.join(folder, "other.onnx")
            pathlib.Path(other).write_bytes(shifted_model("m.bin"))
            (pathlib.Path(folder) / "m.bin").write_bytes(struct.pack("<4f", 1, 2, 3, 4))
            both = records("why", DIGITS, other, "--dim", "N=4", "--target", "x86-64-v3")
            self.assertEqual(len(both), 2)
            self.assertTrue(all(record["decisions"] for record in both))
            self.assertEqual(tenon("why", DIGITS, other, "--dim", "Q=4", "--target", "x86-64-v3").returncode, 2)

    def test_features_have_a_prior_for_every_region(self):
        (record,) = records("features", DIGITS, "--target", "x86-64-v3")
        for region in record["regions"]:
            self.assertGreater(region["prior_us"], 0)
            self.assertIn(region["bound"], ("compute", "L1", "L2", "L3", "memory"))
        name = record["regions"][0]["name"]
        lines = tenon("features", DIGITS, "--region", name).stdout.splitlines()
        self.assertEqual(len(lines), 2 + len(record["regions"][0]["features"]) + 8)  # two heads, eight groups
        self.assertIn("no region is called", tenon("features", DIGITS, "--region", "none").stderr)

    def test_completions_know_the_commands(self):
        for shell in ("bash", "zsh", "fish"):
            script = tenon("completions", shell).stdout
            for command in self.commands():
                self.assertIn(command, script)
        self.assertEqual(subprocess.run(["bash", "-n"], input=tenon("completions", "bash").stdout, text=True).returncode, 0)


if __name__ == "__main__":
    if not TENON.exists():
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
