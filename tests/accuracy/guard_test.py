#!/usr/bin/env python3
"""One symbolic artifact each of large models: right at four bindings, with the workspace that its own function
asks for lying between pages that fault, before and behind.

    guard_test.py TENON ROOT        77: the program or the models are not there
"""
import pathlib
import tempfile
import unittest

from common import main, tenon, zoo

BINDINGS = {
    "bert_base": ("B=1 S=128", "B=3 S=37", "B=1 S=1", "B=2 S=64"),
    "llama_135m": ("B=1 S=1 P=64", "B=1 S=16 P=0", "B=2 S=3 P=6", "B=1 S=7 P=9"),
    "yolov8n_like": ("N=1", "N=2", "N=3", "N=4"),
}


class Guarded(unittest.TestCase):
    def check(self, name):
        model = zoo(name)
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out"
            done = tenon("compile", model, "--target", "native", "--weights", "file", "-o", out)
            self.assertEqual(done.returncode, 0, done.stderr)
            for binding in BINDINGS[name]:
                dims = [word for dim in binding.split() for word in ("--dim", dim)]
                done = tenon("verify", model, out, "--guard", *dims)
                self.assertEqual(done.returncode, 0, f"{name} at {binding}: {done.stdout}{done.stderr}")

    def test_bert_base(self):
        self.check("bert_base")

    def test_llama_135m_prefill_and_decode(self):
        self.check("llama_135m")

    def test_yolov8n_like(self):
        self.check("yolov8n_like")


if __name__ == "__main__":
    main()
