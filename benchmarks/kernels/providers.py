#!/usr/bin/env python3
"""A model with every region that oneDNN can do computed by it (`--providers onednn-everywhere`), beside Tenon's own, in turns.

    providers.py MODEL.onnx [--dim N=1 ...] [--target native] [--rounds 7] [--core 1] [--tenon FILE] [--json FILE]

Both artifacts run by themselves with one thread; every figure is the least of the rounds' medians. A row is a class of
contraction, with all that is fused into its regions and, on oneDNN's side, the copies between layouts: what the target file's
[onednn] is about. Other kernels of the model are not in the rows, but they are in the last line. oneDNN has to be where the
loader finds it: LD_LIBRARY_PATH=$(tools/deps.sh --onednn).
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def work_class(words):
    """As in src/ops/provider.cpp, read off the words of a call: include/tenon/onednn_words.h."""
    kind, rank, _, groups, posts = words[:5]
    shapes = 5 + (4 * (rank - 2) if kind == 0 else 0) + 3 * posts
    tensor = lambda k: words[shapes + 2 * rank * k:][:rank]
    if kind == 1:
        return "gemv" if words[len(words) - 2 * rank:][rank - 2] <= 8 else "matmul"
    weights = tensor(1)
    if groups > 1:
        return "depthwise" if weights[1] == 1 else "grouped"
    return "stem" if tensor(0)[1] <= 4 else "pointwise" if set(weights[2:]) == {1} else "spatial"


def classes_of(folder):
    """Kernel -> class, of those that are oneDNN's."""
    found, kernel = {}, None
    for line in next(folder.glob("*.loops")).read_text().splitlines():
        if begins := re.match(r'\s*kernel "?([^" {]+)', line):
            kernel = begins[1]
        elif call := re.match(r"\s*call onednn\(.*; ([-0-9, ]+)\)", line):
            found[kernel] = work_class([int(word) for word in call[1].split(",")])
    return found


def joined(ours, theirs, classes):
    """Pairs of sets of kernels that come from the same nodes, each with its class; None: of several."""
    groups = []  # [nodes, our kernels, their kernels]
    for side, kernels in ((1, ours), (2, theirs)):
        for kernel in kernels:
            group = [{node["index"] for node in kernel["nodes"]}, set(), set()]
            group[side].add(kernel["name"])
            for other in [g for g in groups if g[0] & group[0]]:
                groups.remove(other)
                group = [a | b for a, b in zip(group, other)]
            groups.append(group)
    for _, own, other in groups:
        kinds = {classes.get(name) for name in other}
        yield own, other, kinds.pop() if len(kinds) == 1 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--dim", action="append", default=[])
    parser.add_argument("--target", default="native")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--core", type=int)
    parser.add_argument("--tenon", default=str(ROOT / "build/release/tools/tenon"))
    parser.add_argument("--json")
    options = parser.parse_args()
    dims = [word for dim in options.dim for word in ("--dim", dim)]
    pin = ["taskset", "-c", str(options.core)] if options.core is not None else []

    def command(*words):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
        return done.stdout

    with tempfile.TemporaryDirectory() as temporary:
        folders = {}
        for side, providers in (("ours", "none"), ("onednn", "onednn-everywhere")):
            folders[side] = pathlib.Path(temporary) / side
            command(options.tenon, "compile", options.model, "--target", options.target, *dims, "--emit", "so,loops", "--providers", providers,
                    "-o", folders[side])
        least, kernels = {}, {}
        for _ in range(options.rounds):
            for side, folder in folders.items():
                for record, flags in (("whole", []), ("kernels", ["--kernels"])):
                    report = json.loads(command(*pin, options.tenon, "bench", folder, "--runs", 7, "--json", *flags))
                    if record == "whole":
                        least[side] = min(least.get(side, 1e9), report["min_ms"])
                    for kernel in report["kernels"] if record == "kernels" else []:
                        known = kernels.setdefault(side, {}).setdefault(kernel["name"], kernel)
                        known["median_ms"] = min(known["median_ms"], kernel["median_ms"])
        table = {}
        for own, other, kind in joined(kernels["ours"].values(), kernels["onednn"].values(), classes_of(folders["onednn"])):
            if kind:
                row = table.setdefault(kind, [0, 0.0, 0.0])
                row[0] += sum(kernels["onednn"][name]["calls"] for name in other)
                row[1] += sum(kernels["ours"][name]["median_ms"] for name in own)
                row[2] += sum(kernels["onednn"][name]["median_ms"] for name in other)
    print(f"{'class':<12}{'calls':>6}{'ours ms':>10}{'oneDNN ms':>11}{'ours/oneDNN':>13}")
    for kind, (calls, ours, theirs) in sorted(table.items()):
        print(f"{kind:<12}{calls:>6}{ours:>10.3f}{theirs:>11.3f}{ours / theirs:>13.2f}")
    print(f"{'whole model':<18}{least['ours']:>10.3f}{least['onednn']:>11.3f}{least['ours'] / least['onednn']:>13.2f}")
    if options.json:
        record = {"schema": "tenon.providers/1", "model": pathlib.Path(options.model).stem, "target": options.target, "dims": options.dim,
                  "cpu": next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), os.uname().machine),
                  "classes": {kind: {"calls": c, "ours_ms": a, "onednn_ms": b} for kind, (c, a, b) in sorted(table.items())},
                  "whole_ms": {"ours": least["ours"], "onednn": least["onednn"]}}
        pathlib.Path(options.json).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
