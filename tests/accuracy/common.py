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


def beside(*candidates):
    """The first folder that is there; without one the test is skipped, which is an error under CI."""
    for folder in candidates:
        if folder and pathlib.Path(folder).is_dir():
            return pathlib.Path(folder)
    if os.environ.get("CI"):
        raise RuntimeError(f"none of {candidates} is there")
    raise unittest.SkipTest(f"none of {candidates} is there")


def shared():
    return beside(os.environ.get("TENON_SHARED"), ROOT.parent / "shared")


def zoo():
    """The models that fill_weights.py of the data set made."""
    return beside(os.environ.get("TENON_ZOO"), ROOT.parent / "cache" / "zoo")


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
