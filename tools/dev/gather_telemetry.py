#!/usr/bin/env python3
"""Telemetry to learn from, in rounds: what a model of the rounds before would choose is what has to be measured next.

    gather_telemetry.py kws_int8 resnet50:N=1 bert_base:B=1,S=128 --zoo FOLDER --store t.db --work FOLDER \\
        --targets native,x86-64-v4,x86-64-v3,x86-64-v2 --rounds 3 --budget 200

In each round every model is searched for every target by `tenon tune --store --names`, pinned to --cpu: in the first by random draws, then guided by a
cost model of all that --store has by then (work/round_N.model). A round that was done is not done again, so that a call that was ended goes on; --minutes
ends it in time. Targets that this machine cannot run are left out, with a message. stdout: a line of JSON per search.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import compare  # noqa: E402


def run(args, *words):
    pin = ["taskset", "-c", str(args.cpu)] if args.cpu >= 0 else []
    return subprocess.run([*pin, args.tenon, *map(str, words)], capture_output=True, text=True)


def model_of_round(args, number):
    """Of what the store has when the round begins; none in the first."""
    path = args.work / f"round_{number}.model"
    if number == 0 or path.exists():
        return path if number else None
    done = run(args, "train", args.store, "--device", "all", "--compiler", "all", "-o", path)
    if done.returncode != 0:
        sys.exit(f"round {number}: {done.stderr.strip()}")
    return path


def search(args, number, spec, target, model):
    name, dims = compare.model_and_dims(spec)
    words = ["tune", compare.find_model(name, pathlib.Path(args.zoo)), "--target", target, "--store", args.store, "--names", "--budget", args.budget, "--seed", number,
             "-o", args.work / f"{name}.{target}.{number}.lock", "--message-format", "json"]
    words += [word for symbol, value in dims.items() for word in ("--dim", f"{symbol}={value}")]
    words += ["--cost-model", model] if model else ["--search", "random"]
    begin = time.monotonic()
    done = run(args, *words)
    row = {"model": name, "dims": dims, "target": target, "round": number, "seconds": round(time.monotonic() - begin, 1)}
    if done.returncode != 0:
        return row | {"error": done.stderr.strip()[:500]}
    report = json.loads(done.stdout.splitlines()[-1])
    return row | {key: report[key] for key in ("timings", "ratio", "faster", "verified", "rounds")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--tenon", default=str(ROOT / "build/release/tools/tenon"))
    parser.add_argument("--zoo", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--targets", default="native")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=0, help="begin no search after so long; 0: no limit")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    log = args.work / "done.jsonl"
    done = {(row["model"], json.dumps(row["dims"]), row["target"], row["round"]) for row in map(json.loads, log.read_text().splitlines())} if log.exists() else set()
    begin = time.monotonic()
    for number in range(args.rounds):
        for spec in args.models:
            name, dims = compare.model_and_dims(spec)
            for target in args.targets.split(","):
                if (name, json.dumps(dims), target, number) in done:
                    continue
                if args.minutes and time.monotonic() - begin > args.minutes * 60:
                    return
                row = search(args, number, spec, target, model_of_round(args, number))
                print(json.dumps(row), flush=True)
                if "error" in row:
                    print(f"{spec} for {target}: {row['error']}", file=sys.stderr)
                with log.open("a") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
