#!/usr/bin/env python3
"""tune with runners: a command that takes jobs elsewhere, QEMU, and what a killed search leaves.

    runners_test.py TENON ROOT        77: the program is not built
"""
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
DIGITS = ROOT / "models" / "digits.onnx"


class Runners(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def command(self, *words):
        return [TENON, *map(str, words)]

    def run_tenon(self, *words):
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=600, cwd=self.root, env=os.environ | {"TMPDIR": str(self.root)})

    def records(self, store):
        done = self.run_tenon("telemetry", "export", "--store", store, "--device", "all", "--compiler", "all")
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def script(self, name, lines):
        path = self.root / name
        path.write_text("#!/bin/sh\n" + lines)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def tune(self, *words, budget=3, target="native"):
        return self.run_tenon("tune", DIGITS, "--dim", "N=2", "--target", target, "--budget", budget, "--message-format", "json", *words)

    def test_a_command_measures_elsewhere(self):
        # As scp and ssh would: into a folder of the device's own, where nothing of ours is in the environment.
        self.script("board.sh", 'mkdir -p device && cp -r "$1" device/job.$$ && env -i PATH=/usr/bin:/bin sh device/job.$$/run.sh && cp device/job.$$/result.json "$1"\n')
        done = self.tune("--runner", "./board.sh", "--store", "t.db", "-o", "m.lock", budget=6)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout.splitlines()[-1])
        self.assertGreaterEqual(report["timings"], 1)
        self.assertTrue(report["verified"])
        self.assertEqual(set(report["candidates"].values()), {0})
        records = self.records("t.db")
        self.assertGreater(len(records), 3)
        for record in records:
            self.assertEqual(record["session"]["runner"], "command")
            self.assertEqual(record["device"]["kernel"], os.uname().release)
            self.assertIn(record["status"], ("ok", "disturbed"))  # as quiet as the machine is
            self.assertTrue(record["features"])
        self.assertGreaterEqual(len(list((self.root / "device").iterdir())), 5)
        done = self.run_tenon("compile", DIGITS, "--dim", "N=2", "--target", "native", "--locked", "m.lock", "-o", "out")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_command_that_fails_now_and_then_ends_no_search(self):
        self.script("board.sh", 'echo x >> calls\n[ $(wc -l < calls) -gt 2 ] && [ $(wc -l < calls) -lt 5 ] && exit 9\nexec sh "$1/run.sh"\n')
        done = self.tune("--runner", "./board.sh", "--store", "t.db", "--search", "random")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(report["candidates"]["crashed"], 1)
        self.assertIn("exit status 9", [r["message"] for r in self.records("t.db") if r["status"] == "crashed"][0])
        # What is known of that device is not tried again there, and nothing is known of this one.
        for words, known in ((("--runner", "./board.sh"), 1), ((), 0)):
            done = self.tune("--store", "t.db", "--resume", *words, budget=1)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(min(1, json.loads(done.stdout.splitlines()[-1])["resumed"]), known)

    def test_a_command_that_never_works_is_said(self):
        self.script("board.sh", "echo no route to board >&2\nexit 1\n")
        done = self.tune("--runner", "./board.sh")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no route to board", done.stdout)

    @unittest.skipUnless(shutil.which("qemu-aarch64"), "no emulator")
    def test_qemu_tries_and_teaches_nothing(self):
        begin = time.monotonic()
        done = self.tune("--runner", "qemu", "--store", "t.db", budget=6, target="aarch64")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(time.monotonic() - begin, 240)
        self.assertGreaterEqual(json.loads(done.stdout.splitlines()[-1])["timings"], 1)
        for record in self.records("t.db"):
            self.assertEqual(record["session"]["runner"], "qemu")
            self.assertEqual(record["device"]["kernel"], "emulated")
            self.assertFalse(record["features"])
        done = self.run_tenon("train", "t.db", "-o", "x.model")
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse((self.root / "x.model").exists())

    def adapt(self, *words, target="native"):
        # Other tests run beside this one: where the command says that its measurements were disturbed, it is asked again.
        for _ in range(4):
            done = self.run_tenon("adapt", DIGITS, "--dim", "N=2", "--target", target, "--probes", 12, "--json", *words)
            if done.returncode == 0 or "was disturbed" not in done.stderr:
                break
        return done

    def test_adapt_to_a_board(self):
        self.script("board.sh", 'echo x >> calls\nexec sh "$1/run.sh"\n')
        done = self.adapt("--runner", "./board.sh", "--store", "t.db", "-o", "board.model")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["schema"], "tenon.adapt/1")
        timed = [t for t in report["timings"] if t["seconds"]]
        self.assertEqual(len(timed), report["probes"])
        self.assertGreaterEqual(len(timed), 8)
        self.assertTrue(all(t["failure"] for t in report["timings"] if not t["seconds"]))
        self.assertGreater(report["factor"], 0)
        text = (self.root / "board.model").read_text()
        self.assertIn(report["device"], text)
        records = self.records("t.db")
        self.assertEqual({r["session"]["runner"] for r in records}, {"command"})
        self.assertEqual({r["device"]["fingerprint"] for r in records}, {report["device"]})
        self.assertGreater(len((self.root / "calls").read_text().split()), 2)
        # Another device's delta comes beside it; the compiler takes such a file.
        done = self.adapt("--cost-model", "board.model", "-o", "two.model")
        self.assertEqual(done.returncode, 0, done.stderr)
        local = json.loads(done.stdout)
        self.assertNotEqual(local["device"], report["device"])
        both = (self.root / "two.model").read_text()
        self.assertIn(report["device"], both)
        self.assertIn(local["device"], both)
        done = self.run_tenon("plan", DIGITS, "--dim", "N=2", "--target", "native", "--policy", "hybrid", "--cost-model", "two.model")
        self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(shutil.which("qemu-aarch64"), "no emulator")
    def test_adapt_tries_under_an_emulator(self):
        # Where other processes take the processor, an emulated canary changes too often: what is disturbed is not learnt from, and rightly so.
        for _ in range(4):
            done = self.adapt("--runner", "qemu", "-o", "x.model", target="aarch64")
            if done.returncode == 0 or "disturbed" not in done.stderr:
                break
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(json.loads(done.stdout)["device"], (self.root / "x.model").read_text())

    def test_adapt_says_what_is_missing(self):
        self.script("board.sh", "echo no route to board >&2\nexit 1\n")
        done = self.adapt("--runner", "./board.sh", "-o", "x.model")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no route to board", done.stderr)
        self.assertFalse((self.root / "x.model").exists())
        for words in ((), ("-o", "x.model", "--probes", "3"), ("-o", "x.model", "--runner", "./nothing.sh"), ("-o", "x.model", "--dim", "Q=1")):
            self.assertEqual(self.adapt(*words).returncode, 2, words)

    def test_counterfactuals_elsewhere(self):
        self.script("board.sh", 'exec sh "$1/run.sh"\n')
        done = self.run_tenon("why", DIGITS, "--dim", "N=2", "--target", "native", "--verify", "--counterfactuals", 3, "--seed", 1, "--runner", "./board.sh", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["schema"], "tenon.counterfactuals/1")
        self.assertEqual(len(report["counterfactuals"]), min(3, report["over"]))
        self.assertGreaterEqual(report["measured"], 1)
        self.assertEqual(report["signs"], sum(c["agrees"] is True for c in report["counterfactuals"]))
        for c in report["counterfactuals"]:
            self.assertGreater(abs(c["predicted"]["ratio"] - 1), 0.04)
            if c["measured"]:
                middle, low, high = c["measured"]["ratio"]
                self.assertTrue(low <= middle <= high)

    def test_what_a_killed_search_leaves_goes_with_the_next(self):
        place = self.root / f"tenon-{os.getuid()}"
        search = subprocess.Popen(self.command("tune", DIGITS, "--dim", "N=2", "--target", "native", "--budget", "100000"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=os.environ | {"TMPDIR": str(self.root)})
        self.addCleanup(search.kill)
        deadline = time.monotonic() + 60
        while not (place.exists() and list(place.iterdir())) and time.monotonic() < deadline:
            time.sleep(0.05)
        search.send_signal(signal.SIGKILL)
        search.wait()
        left = list(place.iterdir())
        self.assertTrue(left)
        # Another that is running is left alone.
        other = subprocess.Popen(self.command("tune", DIGITS, "--dim", "N=2", "--target", "native", "--budget", "100000"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env=os.environ | {"TMPDIR": str(self.root)})
        self.addCleanup(other.kill)
        while any(folder.exists() for folder in left) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertFalse(any(folder.exists() for folder in left))
        while not list(place.glob("*/rules")) and time.monotonic() < deadline:
            time.sleep(0.05)
        (others,) = list(place.glob("*/rules"))  # the search's own; those of single measurements come and go
        done = self.tune(budget=1)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIsNone(other.poll())
        self.assertTrue(others.exists())
        other.send_signal(signal.SIGINT)
        self.assertEqual(other.wait(timeout=120), 0)
        self.assertFalse(list(place.iterdir()))


if __name__ == "__main__":
    if not TENON.exists():
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
