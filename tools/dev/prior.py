#!/usr/bin/env python3
"""Compares the roofline prior of regions with what their kernels take.

    prior.py TENON [--target T] [--runs N] [--cpu C] [--worst N] [--schedules N] MODEL[:DIM=VALUE,...]...

Each model is compiled once and timed N times (default 3); a kernel's time is the least of the medians. Kernels of one region (a
copy and the product that reads it) count as one. Where several regions share a kernel each has its mean time.

With --schedules, N schedules are drawn of each model's space, every region's tile for itself, and the prior is judged by how it ranks
them: pairs of one region's schedules in the right order, of those that differ by more than 5 %, and what the one that the prior
likes best takes / what the best of all takes.
"""
import argparse
import json
import math
import pathlib
import random
import re
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


def measure(args, model, options, dims, folder):
    """Pairs of features and microseconds of the regions that ran."""
    regions = json.loads(run(args.tenon, "features", model, *options, "--json"))["regions"]
    run(args.tenon, "compile", model, *options, "--emit", "so,schedule", "-o", folder)
    manifest = json.loads((pathlib.Path(folder) / "manifest.json").read_text())
    pin = ["taskset", "-c", str(args.cpu)] if args.cpu is not None else []
    least = {}
    for _ in range(args.runs):
        report = json.loads(run(*pin, args.tenon, "bench", folder, *dims, "--kernels", "--json"))
        for k in report["kernels"]:
            least[k["name"]] = min(least.get(k["name"], math.inf), k["median_ms"] * 1000 / k["calls"])
    kernels = {k["name"]: k for k in manifest["kernels"]}
    return [(region["prior_us"], sum(least[c] for c in calls), region) for region, calls in zip(regions, by_region(manifest["calls"], kernels, regions))
            if calls and all(c in least for c in calls)]


def draw(tile, rng):
    """Knobs of a tile, any legal ones alike."""
    while True:
        knobs = {name: rng.choice(values) for name, values in tile["knobs"].items()}
        if knobs.get("rows", 1) * knobs.get("vectors", 1) <= tile["registers"]:
            return knobs


def drawn(schedule, space, rng):
    """The schedule with other tiles."""
    tiles = {r["name"]: r["tiles"] for r in space["regions"]}

    def with_knobs(text, tile):
        knobs = dict(re.findall(r"(\w+)=(-?\d+)", text)) | {k: str(v) for k, v in draw(tile, rng).items()}
        return " ".join(f"{k}={v}" for k, v in knobs.items())

    lines, region = [], None
    for line in schedule.splitlines():
        if found := re.match(r'region "?(.*?)"? \{$', line):
            region = found[1]
        if line.startswith("  otherwise:") and tiles.get(region):
            own = next((t for t in tiles[region] if "of" not in t), None)
            head, *rest = re.split(r" of ", line)
            if own:
                head = "  otherwise: " + with_knobs(head, own)
            for k, part in enumerate(rest):
                name, _, text = part.rpartition(":")
                tile = next((t for t in tiles[region] if t.get("of") == name.strip('%"')), None)
                rest[k] = f"{name}: {with_knobs(text, tile)}" if tile else part
            line = " of ".join([head, *rest])
        lines.append(line)
    return "\n".join(lines) + "\n"


def compare(args, spec):
    model, _, names = spec.partition(":")
    dims = [w for d in names.split(",") if d for w in ("--dim", d)]
    options = ["--target", args.target, *dims]
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(args, model, options, dims, folder)
        if args.schedules:
            (path,) = pathlib.Path(folder).glob("*.schedule")
            schedule, space, rng = path.read_text(), json.loads(run(args.tenon, "--message-format", "json", "space", model, *options)), random.Random(1)
            candidates = {r[2]["name"]: [r] for r in rows}
            for _ in range(args.schedules):
                path.write_text(drawn(schedule, space, rng))
                with tempfile.TemporaryDirectory() as other:
                    for row in measure(args, model, [*options, "--schedule", str(path)], dims, other):
                        candidates.setdefault(row[2]["name"], []).append(row)
            rank(pathlib.Path(model).stem, candidates, args)
    return rows


def rank(name, candidates, args):
    right = pairs = 0
    regrets, rules, weights = [], [], []
    every = [row for rows in candidates.values() for row in rows if row[1] >= args.least]
    for rows in candidates.values():
        if min(r[1] for r in rows) < args.least:
            continue
        for k, a in enumerate(rows):
            for b in rows[:k]:
                if abs(math.log(a[1] / b[1])) > 0.05:
                    pairs += 1
                    right += (a[0] < b[0]) == (a[1] < b[1])
        best = min(r[1] for r in rows)
        regrets.append(math.log(min(rows, key=lambda r: r[0])[1] / best))
        rules.append(math.log(rows[0][1] / best))
        weights.append(best)
    mean = lambda logs: math.exp(sum(x * w for x, w in zip(logs, weights)) / sum(weights))
    print(f"{name:24} {len(regrets):4} regions, {args.schedules} schedules: {right / max(1, pairs):.1%} of {pairs} pairs in order; by time, best by prior / best {mean(regrets):.3f}, rules / best {mean(rules):.3f}")
    summary("  all schedules", every)
    for prior, time, region in sorted(every, key=lambda r: -abs(math.log(r[0] / r[1])))[: args.worst]:
        show(prior, time, region)


def show(prior, time, region):
    knobs = " ".join(f"{k}={v}" for k, v in region["knobs"].items())
    print(f"    {prior:9.1f} us  {time:9.1f} us  {prior / time:5.2f}  {region['bound']:7} {region['name'][:40]}  {knobs}")


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
    parser.add_argument("--schedules", type=int, default=0, help="how many to draw of the space")
    parser.add_argument("--least", type=float, default=0, help="leave out what takes less, in microseconds")
    args = parser.parse_args()
    every = []
    for spec in args.models:
        rows = [r for r in compare(args, spec) if r[1] >= args.least]
        every += rows
        summary(pathlib.Path(spec.partition(":")[0]).stem, rows)
        for prior, time, region in sorted(rows, key=lambda r: -abs(math.log(r[0] / r[1])))[: args.worst]:
            show(prior, time, region)
    if len(args.models) > 1:
        summary("all", every)


if __name__ == "__main__":
    main()
