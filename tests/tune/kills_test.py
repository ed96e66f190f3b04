#!/usr/bin/env python3
"""Searches that are killed lose no timing that they had told of, and go on where they were.

    kills_test.py TENON ROOT [--runs N]        77: the program is not built

Each run is killed at a moment drawn by a fixed seed. Then the store must open in a second and hold every timing of which the search
had printed a line; the next run resumes from it.
"""
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

TENON, ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
RUNS = int(sys.argv[sys.argv.index("--runs") + 1]) if "--runs" in sys.argv else 3


def records_in(store):
    begin = time.monotonic()
    done = subprocess.run([TENON, "telemetry", "stats", "--store", store, "--message-format", "json"], capture_output=True, text=True, timeout=60)
    seconds = time.monotonic() - begin
    if done.returncode:
        return None, done.stderr, seconds
    return json.loads(done.stdout)["records"], "", seconds


def main():
    if not TENON.exists():
        return 77
    dice, told, kept, slowest = random.Random(1), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "t.db")
        command = [TENON, "tune", ROOT / "models" / "digits.onnx", "--dim", "N=4", "--target", "native", "--store", store, "--resume", "--budget", "100000"]
        for run in range(RUNS):
            with open(os.path.join(folder, "said"), "w+") as said:
                search = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=os.environ | {"TMPDIR": folder})
                time.sleep(dice.uniform(0.5, 3.5))
                if search.poll() is not None:
                    said.seek(0)
                    sys.exit(f"run {run} ended by itself: {said.read()}")
                search.kill()
                search.wait()
                said.seek(0)
                counts = re.findall(r" (\d+)/100000 ", said.read())
            told += int(counts[-1]) if counts else 0
            if not os.path.exists(store):  # killed before it was made
                continue
            kept, why, seconds = records_in(store)
            slowest = max(slowest, seconds)
            if kept is None:
                sys.exit(f"run {run}: the store does not open: {why}")
            if kept < told:
                sys.exit(f"run {run}: {told} timings were told of, {kept} are there")
            if seconds > 1:
                sys.exit(f"run {run}: the store took {seconds:.2f} s to open")
    print(f"{RUNS} searches killed, {told} timings told of, {kept} records kept, slowest opening {slowest:.2f} s")
    return 0 if told else 1


if __name__ == "__main__":
    sys.exit(main())
