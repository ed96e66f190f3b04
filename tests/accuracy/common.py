"""What the tests of accuracy share: the program, models beside the repository, .npy files without NumPy."""
import array
import ast
import json
import os
import pathlib
import subprocess
import sys
import unittest

TENON, ROOT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
DIGITS = ROOT / "models" / "digits.onnx"


def tenon(*words, timeout=1800):
    return subprocess.run([TENON, *map(str, words)], capture_output=True, text=True, timeout=timeout)


def records(*words):
    return [json.loads(line) for line in tenon(*words, "--message-format", "json").stdout.splitlines()]


def missing(what):
    """Skips the test, which is an error under CI."""
    if os.environ.get("CI"):
        raise RuntimeError(what)
    raise unittest.SkipTest(what)


def shared():
    folder = pathlib.Path(os.environ.get("TENON_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        missing(f"{folder} is not there")
    return folder


def zoo(name):
    """A model of the data set with its weights: of TENON_ZOO, or made once in the user's cache by fill_weights.py."""
    given = os.environ.get("TENON_ZOO")
    if given:
        return pathlib.Path(given) / f"{name}.onnx"
    script = shared() / "zoo" / "fill_weights.py"
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "tenon" / "zoo"
    if not (cache / f"{name}.bin").exists():
        cache.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([sys.executable, script, "--out", cache, name], capture_output=True, text=True)
        if done.returncode:
            missing(f"{script} failed: {done.stderr}")
    return cache / f"{name}.onnx"


def read_npy(path):
    """(dims, elements) of a file in C order."""
    data = pathlib.Path(path).read_bytes()
    assert data[:8] == b"\x93NUMPY\x01\x00"
    end = 10 + int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10:end].decode())
    assert not header["fortran_order"]
    code = {"<f4": "f", "<f8": "d", "|i1": "b", "|u1": "B", "<i4": "i", "<i8": "q"}[header["descr"]]
    return header["shape"], array.array(code, data[end:])


def main():
    if not TENON.exists():
        sys.exit(77)
    result = unittest.main(argv=sys.argv[:1], exit=False).result
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped and len(result.skipped) == result.testsRun else 0)
