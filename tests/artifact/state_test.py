#!/usr/bin/env python3
"""Artifacts of --state: what a call adds to a buffer, and that it touches nothing else.

    state_test.py TENON ROOT        77: the program, llama_tiny or NumPy are not here
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
SHARED = pathlib.Path(os.environ.get("TENON_SHARED", ROOT.parent / "shared"))
MODEL = SHARED / "zoo" / "llama_tiny.onnx"  # its weights are inline
STATE = "past_key_values.*=present.*"
LAYERS = ["0.key", "0.value", "1.key", "1.value"]
WORDS = 11

# Six words at once, then one at a time; the capacity is used up by the last. Both artifacts see the same.
PYTHON = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
sys.path.insert(0, sys.argv[2])
import grows, plain
layers, words, capacity, batch = sys.argv[3].split(), 11, int(sys.argv[4]), 2
ids = np.random.default_rng(1).integers(0, 256, (batch, words))
states = {"past_key_values." + n: np.full((batch, 2, capacity, 16), np.nan, np.float32) for n in layers}
past = {"past_key_values." + n: np.zeros((batch, 2, 0, 16), np.float32) for n in layers}
before, at = None, 0
ours, theirs = grows.Model(), plain.Model()
for count in (6, 1, 1, 2, 1):
    inputs = dict(input_ids=ids[:, at:at + count], attention_mask=np.ones((batch, at + count), np.int64),
                  position_ids=np.tile(np.arange(at, at + count), (batch, 1)))
    want = theirs(**inputs, **past)
    was = {n: s.copy() for n, s in states.items()}
    got = ours({"P": at}, **inputs, **states)
    assert list(got) == ["logits"], list(got)
    assert (got["logits"].view(np.uint32) == want["logits"].view(np.uint32)).all(), at
    for n in layers:
        state, present = states["past_key_values." + n], want["present." + n]
        assert (state[:, :, :at + count].view(np.uint32) == present.view(np.uint32)).all(), n
        for rows in (slice(0, at), slice(at + count, None)):  # nothing but the new rows
            assert (state[:, :, rows].view(np.uint32) == was["past_key_values." + n][:, :, rows].view(np.uint32)).all(), n
        past["past_key_values." + n] = present
    at += count
assert at == words
inputs = dict(input_ids=ids[:, :1], attention_mask=np.ones((batch, at + 1), np.int64), position_ids=np.full((batch, 1), at))
if capacity == at:  # full
    try:
        ours({"P": at}, **inputs, **states)
        sys.exit("a full buffer was grown")
    except grows.Error:
        pass
try:
    ours({"P": 1}, **inputs, **{n: s[:, :, ::2] for n, s in states.items()})
    sys.exit("a view that is not contiguous was taken")
except grows.Error:
    pass
print("right")
"""


def run(*words, code=0):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)
    if done.returncode != code:
        raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class States(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.scratch.name)
        cls.plain, cls.grows = cls.root / "plain", cls.root / "grows"
        for name, folder, more in (("plain", cls.plain, []), ("grows", cls.grows, ["--state", STATE])):
            run(TENON, "compile", MODEL, "-o", folder, "--name", name, "--target", "native", "--emit", "so,a,header,loops", *more)
        cls.manifest = json.loads((cls.grows / "manifest.json").read_text())

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def test_decoding_gives_the_bits_of_copies(self):
        script = self.root / "steps.py"
        script.write_text(PYTHON)
        for capacity in (WORDS, WORDS + 5, 128):
            self.assertEqual(run(sys.executable, script, self.plain, self.grows, " ".join(LAYERS), capacity).strip(), "right")

    def test_nothing_of_the_past_is_moved(self):
        loops = (self.grows / "grows.loops").read_text()
        states = re.findall(r"^  state .*$", loops, re.MULTILINE)
        self.assertEqual(len(states), len(LAYERS))
        self.assertNotRegex(loops, r"^ *copy ", "the host program copies")
        # Calls that write a state write as many rows as are new: no kernel has both the past and the present.
        for kernel in re.findall(r"^  kernel [\s\S]*?^  }$", loops, re.MULTILINE):
            self.assertFalse("past_key_values" in kernel.split("{")[0] and "present" in kernel.split("{")[0], kernel)
        present = [c for c in re.findall(r"^ *call .*$", loops, re.MULTILINE) if c.strip().startswith("call present")]
        self.assertEqual(len(present), len(LAYERS))

    def test_commands(self):
        for dims in ("B=1 S=1 P=64", "B=1 S=16 P=0", "B=2 S=3 P=6"):
            words = [w for dim in dims.split() for w in ("--dim", dim)]
            for guard in ([], ["--guard"]):
                said = run(TENON, "verify", MODEL, self.grows, *words, "--workers", 2, *guard)
                self.assertIn("present.1.value", said)
            for which in (self.plain, self.grows):
                run(TENON, "run", which, "--input", "random:3", *words, "-o", self.root / which.name / "run")
            for name in ("logits", *("present." + layer for layer in LAYERS)):
                self.assertEqual((self.plain / "run" / f"{name}.npy").read_bytes(), (self.grows / "run" / f"{name}.npy").read_bytes(), name)
            run(TENON, "bench", self.grows, *words, "--runs", 5, "--kernels", "--huge-pages")
            run(TENON, "run", self.grows, "--input", "random:3", *words, "-o", self.root / "huge", "--huge-pages")
            self.assertEqual((self.root / "huge" / "logits.npy").read_bytes(), (self.plain / "run" / "logits.npy").read_bytes())

    def test_files_of_the_past(self):
        """run takes past rows from files, of any length."""
        run(TENON, "run", self.plain, "--input", "random:3", *"--dim B=1 --dim S=5 --dim P=2".split(), "-o", self.root / "first")
        import numpy as np
        np.save(self.root / "ids.npy", np.array([[9]]))
        np.save(self.root / "mask.npy", np.ones((1, 8), np.int64))
        np.save(self.root / "place.npy", np.array([[7]]))
        words = [w for port, file in (("input_ids", "ids.npy"), ("attention_mask", "mask.npy"), ("position_ids", "place.npy"))
                 for w in ("--input", f"{port}={self.root / file}")]
        words += [w for layer in LAYERS for w in ("--input", f"past_key_values.{layer}={self.root / 'first' / f'present.{layer}.npy'}")]
        for which in (self.plain, self.grows):
            run(TENON, "run", which, *words, "-o", self.root / which.name / "next")
        for name in ("logits", "present.1.key"):
            self.assertEqual((self.plain / "next" / f"{name}.npy").read_bytes(), (self.grows / "next" / f"{name}.npy").read_bytes())
        run(TENON, "run", self.grows, *words, "--dim", "P_capacity=7", "-o", self.root / "small", code=1)
        run(TENON, "run", self.grows, *words, "--dim", "P_capacity=8", "-o", self.root / "fits")

    def test_header_and_manifest(self):
        states = self.manifest["states"]
        self.assertEqual([(s["output"], s["axis"], s["past"], s["capacity"]) for s in states],
                         [(f"present.{layer}", 2, "P", "P_capacity") for layer in LAYERS])
        self.assertEqual([o["name"] for o in self.manifest["outputs"]], ["logits"])
        header = (self.grows / "grows.h").read_text()
        self.assertRegex(header, r"\n  float\* past_key_values_0_key; /\* f32\[B, 2, P_capacity, 16\].* a state: P along dim 2 become P \+ S")
        self.assertIn("  const int64_t* input_ids;", header)
        self.assertNotIn("present", header.split("typedef struct grows_io")[1].split("}")[0].replace("present.", ""))
        self.assertNotRegex((self.plain / "plain.h").read_text(), "state: ")
        if shutil.which("gcc") and shutil.which("g++"):
            (self.root / "main.cpp").write_text('#include "grows.hpp"\nint main() { grows::Model model; return 0; }\n')
            run("g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", f"-I{self.grows}", self.root / "main.cpp",
                self.grows / "libgrows.a", "-o", self.root / "main")
            run(self.root / "main")

    def test_one_state_of_several(self):
        out = self.root / "one"
        run(TENON, "compile", MODEL, "-o", out, "--target", "native", "--emit", "so",
            "--state", "past_key_values.1.key=present.1.key")
        run(TENON, "verify", MODEL, out, *"--dim B=2 --dim S=3 --dim P=6".split(), "--guard")
        outputs = [o["name"] for o in json.loads((out / "manifest.json").read_text())["outputs"]]
        self.assertEqual(outputs, ["logits", "present.0.key", "present.0.value", "present.1.value"])

    def test_pinned_dims_and_levels(self):
        out = self.root / "pinned"
        run(TENON, "compile", MODEL, "-o", out, "--emit", "so", "--state", STATE, "--cpu-dispatch", "v2,v3",
            *"--dim B=1 --dim S=1 --dim P=64".split())
        run(TENON, "verify", MODEL, out, "--level", "v2", "--guard", *"--dim B=1 --dim S=1 --dim P=64".split())
        states = json.loads((out / "manifest.json").read_text())["states"]
        self.assertEqual({s["capacity"] for s in states}, {"capacity"})

    def test_what_makes_no_sense(self):
        for words, code, text in (
                (["--state", "nothing=present.0.key"], 2, "no such input"),
                (["--state", "past_key_values.0.key=nothing"], 2, "no output nothing"),
                (["--state", "past_key_values.0.key"], 2, "not understood"),
                (["--state", "past*=present"], 2, "on one side"),
                (["--state", STATE, "--state", "past_key_values.0.key=present.0.value"], 2, "two pairs"),
                (["--state", STATE, "--emit", "exe"], 2, "a program does not have"),
                (["--state", "input_ids=logits"], 3, "E0306"),
                (["--state", "past_key_values.0.key=present.0.value"], 3, "does not read the input")):
            said = run(TENON, "compile", MODEL, "-o", self.root / "no", *words, code=code)
            self.assertIn(text, said, words)
        self.assertIn("--layers", run(TENON, "verify", MODEL, "--state", STATE, "--layers", *"--dim B=1 --dim S=1 --dim P=4".split(), code=2))


if __name__ == "__main__":
    numpy = subprocess.run([sys.executable, "-c", "import numpy"], capture_output=True).returncode == 0
    if not TENON.exists() or not numpy or not MODEL.exists():
        sys.exit(f"{MODEL} is not there" if os.environ.get("CI") else 77)
    unittest.main(argv=sys.argv[:1])
