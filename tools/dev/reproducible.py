#!/usr/bin/env python3
"""Compiles models many times, in folders of different names and with one to four jobs, and compares the hash over
all files of each artifact: with one another, and with tests/reproducible/hashes.json.

    reproducible.py TENON [--models NAME=TIMES...] [--shared DIR] [--zoo DIR] [--bless]

The target is x86-64-v3, so that the hashes do not depend on the machine. The zoo holds synthetic weights that its
fill_weights.py makes. --bless writes the hashes that were found. Exit code 1: hashes differ.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HASHES = ROOT / "tests" / "reproducible" / "hashes.json"
TARGET = "x86-64-v3"
MODELS = {"digits": "models/digits.onnx", "kws_int8": "mlperf_tiny/kws_int8.onnx", "resnet50": "resnet50.onnx",
          "bert_base": "bert_base.onnx"}
TIMES = ["digits=20", "kws_int8=70", "resnet50=20", "bert_base=10"]


def model_path(name, args):
    if name == "digits":
        return ROOT / MODELS[name]
    folder = args.shared / "models" if name == "kws_int8" else args.zoo
    if folder is None:
        sys.exit(f"{name} needs --zoo")
    return folder / MODELS[name]


def hash_of(folder):
    """Over the names and bytes of all files."""
    whole = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        with open(file, "rb") as stream:
            whole.update(f"{file.relative_to(folder)} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def compile_once(args, model, name, scratch, number):
    # Names of several lengths, at several depths.
    folder = scratch / ("d" * (1 + number % 7)) / f"run{number}"
    done = subprocess.run([args.tenon, "compile", model, "--name", name, "--target", TARGET, "--jobs", str(1 + number % 4),
                           "--emit", "so,a,o,exe,header", "-o", folder], capture_output=True, text=True,
                          cwd=scratch if number % 2 else ROOT)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    found = hash_of(folder)
    shutil.rmtree(folder)
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tenon", type=pathlib.Path)
    p.add_argument("--models", nargs="+", default=TIMES, metavar="NAME=TIMES")
    p.add_argument("--shared", type=pathlib.Path, default=pathlib.Path(os.environ.get("TENON_SHARED", ROOT.parent / "shared")))
    p.add_argument("--zoo", type=pathlib.Path, default=os.environ.get("TENON_ZOO"))
    p.add_argument("--bless", action="store_true")
    args = p.parse_args()
    args.tenon = args.tenon.resolve()
    known = json.loads(HASHES.read_text()) if HASHES.exists() else {}
    good = True
    for name, times in (m.split("=") for m in args.models):
        model = model_path(name, args).resolve()
        with tempfile.TemporaryDirectory() as scratch:
            found = [compile_once(args, model, name, pathlib.Path(scratch), n) for n in range(int(times))]
        distinct = sorted(set(found))
        same = len(distinct) == 1
        as_known = same and known.get(name) == distinct[0]
        print(f"{name}: {len(found)} compiles, {len(distinct)} hash{'' if same else 'es'} {distinct[0][:16]}, "
              + ("as in the repository" if as_known else f"the repository has {known.get(name, 'none')[:16]}"), flush=True)
        if args.bless and same:
            known[name] = distinct[0]
        good = good and same and (as_known or args.bless)
    if args.bless:
        HASHES.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
