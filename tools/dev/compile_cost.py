#!/usr/bin/env python3
"""Seconds and memory of a compile: the median time of --runs compiles, and the high-water mark of anonymous memory
(RssAnon in /proc, read every millisecond), which is what a compile needs beside the files that it maps.

    compile_cost.py MODEL.onnx... [--target native] [--jobs 2] [--runs 5] [--tenon FILE] [-- --dim N=1 ...]
"""
import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def anonymous_kb(pid):
    try:
        found = re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
        return int(found.group(1)) if found else 0
    except OSError:
        return 0


def compile_once(command):
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, anonymous_kb(process.pid))
        time.sleep(0.001)
    if process.returncode:
        sys.exit(f"compile_cost.py: {' '.join(map(str, command))} failed")
    return time.perf_counter() - start, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--target", default="native")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tenon", type=pathlib.Path, default=ROOT / "build/release/tools/tenon")
    words = sys.argv[1:]
    extra = words[words.index("--") + 1:] if "--" in words else []
    options = parser.parse_args(words[:words.index("--")] if "--" in words else words)
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            command = [options.tenon, "compile", model, "-o", pathlib.Path(folder) / "out", "--target", options.target,
                       "--jobs", options.jobs, "--progress", "none", *extra]
            runs = [compile_once(command) for _ in range(options.runs)]
        seconds = [s for s, _ in runs]
        print(f"{model.stem:<32} {statistics.median(seconds):6.2f} s  (least {min(seconds):.2f})   "
              f"anonymous memory {max(kb for _, kb in runs) / 1024:6.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
