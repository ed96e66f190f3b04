#!/usr/bin/env python3
"""Telemetry that must not be believed: what each command does with files that are damaged, foreign or made up.

    poison_test.py TENON ROOT MAKER        77: the program is not built. MAKER: test_telemetry_poison, which writes the files
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TENON, ROOT, MAKER = (pathlib.Path(word).resolve() for word in sys.argv[1:4])


def run(*words):
    return subprocess.run([str(word) for word in (TENON, *words, "--message-format", "json")], capture_output=True, text=True, timeout=120)


class Poison(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        made = subprocess.run([MAKER, cls.root], capture_output=True, text=True, timeout=120)
        assert made.returncode == 0, made.stderr
        cls.cases = [line.split("\t") for line in made.stdout.splitlines()]
        cls.counted = 0
        code, model = cls.train(cls.root / "good.db")
        assert code == 0, model
        cls.model = model

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def train(cls, store, *more):
        """Exit code and the model's bytes; what was said, where there is none."""
        output = cls.root / "made.model"
        done = run("train", store, "-o", output, *more)
        if not output.exists():
            return done.returncode, done.stdout + done.stderr
        model = output.read_bytes()
        output.unlink()
        return done.returncode, model

    def commands(self, store):
        """name -> what to run; merge goes into a store of its own."""
        return {
            "merge": ["telemetry", "merge", store, "--store", self.root / "fleet.db"],
            "stats": ["telemetry", "stats", "--store", store],
            "check": ["telemetry", "stats", "--check", "--store", store],
            "export": ["telemetry", "export", "--store", store, "--device", "all", "--compiler", "all", "-o", self.root / "rows"],
            "train": ["train", store, "-o", self.root / "made.model"],
            "prune": ["telemetry", "prune", "--older-than", "1h", "--store", store],
            "ingest": ["telemetry", "ingest", self.root / "run.prof", "--artifact", self.root, "--store", store],
            "tune": ["tune", ROOT / "models" / "digits.onnx", "--dim", "N=1", "--target", "native", "--budget", "1", "--store", store, "--resume"],
        }

    def refuses(self, name, command, says, store):
        done = run(*command)
        self.assertEqual(done.returncode, 1, f"{name}: {done.stdout}{done.stderr}")
        problems = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        problems = [p for p in problems if "code" in p]
        self.assertTrue(problems, f"{name}: {done.stdout}{done.stderr}")
        self.assertLessEqual({p["code"] for p in problems}, {"E0701", "E0702"}, name)
        self.assertIn(says, "\n".join(p["message"] for p in problems), name)
        type(self).counted += 1

    def of(self, kind):
        return [(name, says, self.root / f"{name}.db") for name, of, says in self.cases if of == kind]

    def test_files_that_no_command_takes(self):
        self.assertGreater(len(self.of("file")), 15)
        for case, says, store in self.of("file"):
            before = store.read_bytes()
            for name, command in self.commands(store).items():
                with self.subTest(case=case, command=name):
                    self.refuses(name, command, says, store)
            self.assertEqual(store.read_bytes(), before, case)
            self.assertFalse((self.root / "made.model").exists(), case)

    def test_records_that_no_command_reads(self):
        self.assertGreater(len(self.of("record")), 25)
        for case, says, store in self.of("record"):
            for name, command in self.commands(store).items():
                if name in ("prune", "ingest", "tune"):  # these read none
                    continue
                with self.subTest(case=case, command=name):
                    self.refuses(name, command, says, store)
            self.assertFalse((self.root / "made.model").exists(), case)

    def test_canaries_that_no_command_reads(self):
        for case, says, store in self.of("canary"):
            for name in ("merge", "stats", "check"):
                with self.subTest(case=case, command=name):
                    self.refuses(name, self.commands(store)[name], says, store)

    def test_nothing_of_them_was_merged(self):
        for _, _, store in self.of("file") + self.of("record") + self.of("canary"):
            run("telemetry", "merge", store, "--store", self.root / "empty.db")
        [stats] = [json.loads(line) for line in run("telemetry", "stats", "--store", self.root / "empty.db").stdout.splitlines()]
        self.assertEqual((stats["records"], stats["sessions"], stats["drift"]), (0, 0, []))

    def test_what_is_kept_apart(self):
        for case, says, store in self.of("apart"):
            with self.subTest(case=case):
                done = run("telemetry", "merge", store, "--store", self.root / f"{case}.merged.db")
                self.assertEqual(done.returncode, 0, done.stdout)
                code, model = self.train(store)
                if says:
                    self.assertEqual(code, 1)
                    self.assertIn(says, model)
                else:  # left out: the model is that of the others, byte for byte
                    self.assertEqual(code, 0, model)
                    self.assertEqual(model, self.model)
                self.assertEqual(run("telemetry", "export", "--store", store).returncode, 2)

    def test_one_device_and_one_epoch_are_learnt_from_where_asked_for(self):
        [stats] = [json.loads(line) for line in run("telemetry", "stats", "--store", self.root / "other_epoch.db").stdout.splitlines()]
        self.assertEqual([(e["epoch"], e["records"]) for e in stats["epochs"]], [(1, 60), (2, 60)])
        self.assertTrue(any("epoch 2" in sentence for sentence in stats["advice"]), stats["advice"])
        self.assertEqual(self.train(self.root / "other_epoch.db", "--epoch", "1"), (0, self.model))
        code, latest = self.train(self.root / "other_epoch.db", "--epoch", "latest")
        self.assertEqual(code, 0)
        self.assertNotEqual(latest, self.model)
        self.assertEqual(self.train(self.root / "other_epoch.db", "--epoch", "2"), (0, latest))
        self.assertEqual(self.train(self.root / "other_epoch.db", "--epoch", "all")[0], 0)
        self.assertIn("has no epoch 3", self.train(self.root / "other_epoch.db", "--epoch", "3")[1])
        self.assertIn("of one device", self.train(self.root / "other_device.db", "--epoch", "latest")[1])
        self.assertEqual(self.train(self.root / "other_compiler.db", "--epoch", "1"), (0, self.model))


if __name__ == "__main__":
    if not TENON.exists() or not MAKER.exists():
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
