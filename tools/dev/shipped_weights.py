#!/usr/bin/env python3
"""The cost model that ships, from the telemetry that ships: one command makes the same bytes again.

    shipped_weights.py TENON                    # cost_model/telemetry/*.db.xz -> cost_model/weights/shipped.txt
    shipped_weights.py TENON --check            # makes it elsewhere and compares
    shipped_weights.py TENON --pack a.db b.db   # merges stores into cost_model/telemetry/telemetry.db.xz, without what was disturbed, and makes the weights

Weights of another extractor of features than the build's are none: where docs/features.md changes, telemetry has to be gathered anew
(tools/dev/gather_telemetry.py). Exit code 1: bytes differ, or what ships is more than 20 MB.
"""
import argparse
import lzma
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TELEMETRY, WEIGHTS = ROOT / "cost_model" / "telemetry", ROOT / "cost_model" / "weights" / "shipped.txt"
MOST_BYTES = 20_000_000


def tenon(args, *words):
    done = subprocess.run([args.tenon, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"shipped_weights.py: {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def pack(args, scratch):
    merged, compact = scratch / "merged.db", scratch / "compact.db"
    for store in args.pack:
        tenon(args, "telemetry", "merge", "--store", merged, store)
    tenon(args, "telemetry", "prune", "--store", merged, "--disturbed")  # nothing is learnt from them
    with sqlite3.connect(merged) as db:
        db.execute("VACUUM INTO ?", (str(compact),))
    TELEMETRY.mkdir(exist_ok=True)
    (TELEMETRY / "telemetry.db.xz").write_bytes(lzma.compress(compact.read_bytes(), preset=9 | lzma.PRESET_EXTREME))


def train(args, scratch, path):
    stores = []
    for file in sorted(TELEMETRY.glob("*.db.xz")):
        stores.append(scratch / file.name.removesuffix(".xz"))
        stores[-1].write_bytes(lzma.decompress(file.read_bytes()))
    if not stores:
        sys.exit(f"shipped_weights.py: no telemetry in {TELEMETRY}")
    print(tenon(args, "train", *stores, "--device", "all", "--compiler", "all", "-j", args.jobs, "-o", path), end="")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--pack", nargs="+", metavar="STORE")
    parser.add_argument("--jobs", type=int, default=0, help="threads; the bytes are the same for any number")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        if args.pack:
            pack(args, scratch)
        size = sum(file.stat().st_size for file in TELEMETRY.glob("*.xz"))
        if size > MOST_BYTES:
            sys.exit(f"shipped_weights.py: {size} bytes of telemetry, {MOST_BYTES} are the most")
        made = scratch / "shipped.txt"
        train(args, scratch, made)
        if not args.check:
            WEIGHTS.parent.mkdir(exist_ok=True)
            WEIGHTS.write_bytes(made.read_bytes())
        elif WEIGHTS.read_bytes() != made.read_bytes():
            sys.exit(f"shipped_weights.py: {WEIGHTS} is not what this telemetry makes")
        print(f"{size / 1e6:.1f} MB of telemetry, {made.stat().st_size / 1e6:.1f} MB of weights")


if __name__ == "__main__":
    main()
