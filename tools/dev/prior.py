#!/usr/bin/env python3
"""Compares the roofline prior of regions with what their kernels take.

    prior.py TENON [--target T] [--runs N] [--cpu C] [--worst N] MODEL[:DIM=VALUE,...]...

Each model is compiled once and timed N times (default 3); a kernel's time is the least of the medians. Kernels of one region (a
copy and the product that reads it) count as one. Where several regions share a kernel each has its mean time.
"""
import argparse
import json
import math
import pathlib
import subprocess
import tempfile


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def by_region(calls, kernels, regions):
    """The kernels that each region's calls run: both come in the order of execution."""
    found, at = [[] for _ in regions], 0
    needed = [set(r["nodes"]) for r in regions]
    for call in calls:
        nodes = {n["name"] for n in kernels[call]["nodes"]}
        fits = [r for r in range(at, len(regions)) if needed[r] <= nodes]
        if not fits:
            continue
        # A region runs a kernel once; a kernel of more nodes belongs to the next one that has them.
        more = [r for r in fits if r > at and found[at] and needed[at] < needed[r]]
        if fits[0] == at and call not in found[at] and not (more and more[0] == at + 1):
            found[at].append(call)
            continue
        at = more[0] if more and more[0] == at + 1 else next((r for r in fits if r > at), at)
        found[at].append(call)
    return found


def compare(args, spec):
    model, _, dims = spec.partition(":")
    options = ["--target", args.target] + [w for d in dims.split(",") if d for w in ("--dim", d)]
    pin = ["taskset", "-c", str(args.cpu)] if args.cpu is not None else []
    regions = json.loads(run(args.tenon, "features", model, *options, "--json"))["regions"]
    with tempfile.TemporaryDirectory() as folder:
        run(args.tenon, "compile", model, *options, "--emit", "so", "-o", folder)
        manifest = json.loads((pathlib.Path(folder) / "manifest.json").read_text())
        least = {}
        for _ in range(args.runs):
            report = json.loads(run(*pin, args.tenon, "bench", folder, *[w for d in dims.split(",") if d for w in ("--dim", d)], "--kernels", "--json"))
            for k in report["kernels"]:
                least[k["name"]] = min(least.get(k["name"], math.inf), k["median_ms"] * 1000 / k["calls"])
    kernels = {k["name"]: k for k in manifest["kernels"]}
    rows = []
    for region, calls in zip(regions, by_region(manifest["calls"], kernels, regions)):
        if calls and all(c in least for c in calls):
            rows.append((region["prior_us"], sum(least[c] for c in calls), region))
    return rows


def summary(name, rows):
    logs = [math.log(p / t) for p, t, _ in rows]
    wrong = sum(abs(p - t) / t for p, t, _ in rows) / len(rows)
    total = sum(p for p, _, _ in rows) / sum(t for _, t, _ in rows)
    # By what a wrong prior costs: errors of kernels that take long count more.
    weighted = sum(abs(p - t) for p, t, _ in rows) / sum(t for _, t, _ in rows)
    off = sum(abs(x) > math.log(2) for x in logs)
    print(f"{name:24} {len(rows):4} regions  MAPE {wrong:6.1%}  by time {weighted:6.1%}  prior / time: geometric mean {math.exp(sum(logs) / len(logs)):.2f}, "
          f"sum {total:.2f}  {off} off by more than 2x")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--target", default="native")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--worst", type=int, default=0, help="how many regions to list")
    parser.add_argument("--least", type=float, default=0, help="leave out what takes less, in microseconds")
    args = parser.parse_args()
    every = []
    for spec in args.models:
        rows = [r for r in compare(args, spec) if r[1] >= args.least]
        every += rows
        summary(pathlib.Path(spec.partition(":")[0]).stem, rows)
        for prior, time, region in sorted(rows, key=lambda r: -abs(math.log(r[0] / r[1])))[: args.worst]:
            knobs = " ".join(f"{k}={v}" for k, v in region["knobs"].items())
            print(f"    {prior:9.1f} us  {time:9.1f} us  {prior / time:5.2f}  {region['bound']:7} {region['name'][:40]}  {knobs}")
    if len(args.models) > 1:
        summary("all", every)


if __name__ == "__main__":
    main()
