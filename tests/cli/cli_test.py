#!/usr/bin/env python3
"""Help, exit codes and JSON records of the command line.

    cli_test.py TENON ROOT        77: the program is not built
"""
import json
import pathlib
import subprocess
import sys
import unittest

TENON, ROOT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
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

    def test_results_go_to_stdout_and_diagnostics_to_stderr(self):
        good, bad = tenon("targets"), tenon("targets", "z80")
        self.assertTrue(good.stdout and not good.stderr)
        self.assertTrue(bad.stderr.startswith("error[E0401]") and not bad.stdout)
        self.assertIn("= help: one of: ", bad.stderr)

    def test_every_record_says_its_schema(self):
        documented = (ROOT / "docs" / "schemas.md").read_text()
        for words in (["targets"], ["explain"], ["ops", "Conv"], ["inspect", DIGITS], ["targets", "z80"]):
            found = records(*words)
            self.assertTrue(found, words)
            for record in found:
                self.assertIn(f"`{record['schema']}`", documented)

    def test_inspect_names_ports_and_symbols(self):
        (record,) = records("inspect", DIGITS)
        self.assertEqual(record["inputs"], [{"name": "image", "type": "f32", "dims": ["N", "1", "8", "8"]}])
        self.assertEqual([symbol["name"] for symbol in record["symbols"]], ["N"])

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
