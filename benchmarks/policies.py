#!/usr/bin/env python3
"""What policies gain over rules, with and without measurements: the tables of docs/learning.md.

    policies.py mobilenet_v2:N=1 kws_int8 --zoo FOLDER --store t.db --work FOLDER --json out.json   # measure
    policies.py --tables out.json --docs docs/learning.md                                           # write the tables

Per model, each searched by `tenon tune` and kept in --work, so that a second call goes on where the first stopped:
    best      a search of --best timings, guided by a model of --store
    hybrid    no measurements: `--policy hybrid` by a model trained on --store without the model's family
    tune      64 timings, guided by that same model
    random    --random random timings, 1,000
Best known is the fastest of all plans here, each verified. --search-only makes the searches of `best` and `random` and stops: what they
measured is in --work/measured.db, from which, with --store, the model of the others can be trained.
Every plan is compiled and timed in turns with that of rules by the same program (`tenon bench --against`, some --seconds of both, --rounds times, each in a process of
its own): the ratio is the median over rounds, its interval holds the true median with 95 % (by ranks: of 9 rounds the second and the second last). An
artifact of the same bytes takes the same time: it is not timed. gap = 1 - best / rules; closed = what a policy gains / the gap.
"""
import argparse
import datetime
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import compare  # noqa: E402

FAMILIES = HERE.parent / "cost_model" / "families.toml"
BEGIN, END = "<!-- tables of benchmarks/policies.py -->", "<!-- end of tables -->"


def family_of(model):
    import tomllib
    with open(FAMILIES, "rb") as file:
        rows = tomllib.load(file)["families"]
    found = [(len(b), name) for name, beginnings in rows.items() for b in beginnings if model.startswith(b)]
    return max(found)[1] if found else None


class Judge:
    def __init__(self, args):
        self.args, self.work = args, pathlib.Path(args.work)
        self.work.mkdir(parents=True, exist_ok=True)

    def tenon(self, *words, pinned=False, program=None):
        pin = (["taskset", "-c", str(self.args.cpu)] if pinned and self.args.cpu >= 0 else [])
        done = subprocess.run([*pin, program or self.args.tenon, *map(str, words)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.returncode}: {done.stderr[-600:]} {done.stdout[-600:]}")
        return done.stdout

    def model_without(self, family):
        path = self.work / ("without_" + "".join(c if c.isalnum() else "_" for c in family) + ".model")
        if not path.exists():
            self.tenon("train", *self.args.store, "--without", family, "-o", path, "-j", "2", "--device", self.args.device, "--compiler", self.args.compiler)
        return path

    def lock(self, name, dims, what, *words, program=None):
        path = self.work / f"{name}{dims_text(dims)}.{self.args.target}.{what}.lock"
        done = path.with_suffix(".done")
        if not done.exists():
            begin = datetime.datetime.now()
            record = self.tenon("tune", self.path(name), *self.options(dims), "-o", path, "--message-format", "json", *words, pinned=True, program=program)
            report = json.loads(record.splitlines()[-1])
            report["wall_s"] = (datetime.datetime.now() - begin).total_seconds()
            done.write_text(json.dumps(report))
        return path, json.loads(done.read_text())

    def path(self, name):
        return compare.find_model(name, pathlib.Path(self.args.zoo))

    def options(self, dims):
        return ["--target", self.args.target] + [word for k, v in dims.items() for word in ("--dim", f"{k}={v}")]

    def artifact(self, name, dims, what, *words, program=None):
        folder = self.work / "artifacts" / f"{name}{dims_text(dims)}.{what}"
        self.tenon("compile", self.path(name), *self.options(dims), "--emit", "so", "--weights", "file", "-o", folder, *words, program=program)
        return folder

    def against(self, artifact, base):
        if all(path.read_bytes() == (base / path.name).read_bytes() for path in contents(artifact)):
            return {"ratio": 1, "low": 1, "high": 1, "same": True}
        once = json.loads(self.tenon("bench", base, "--runs", 3, "--json", pinned=True))["median_ms"]
        runs = min(300, max(9, int(self.args.seconds * 1e3 / 2 / once)))
        rounds = sorted(json.loads(self.tenon("bench", artifact, "--against", base, "--runs", runs, "--json", pinned=True))["against"]["ratio"] for _ in range(self.args.rounds))
        beyond = ranks_beyond(len(rounds))
        return {"ratio": statistics.median(rounds), "low": rounds[beyond], "high": rounds[-1 - beyond], "rounds": rounds}

    def judge(self, spec):
        name, dims = compare.model_and_dims(spec)
        family, turns = family_of(name), []
        if family is None:
            raise RuntimeError(f"{name} is of no family in {FAMILIES}")
        if self.args.turns:
            turns = ["--turns", self.args.turns]
        model = self.model_without(family)
        store = ["--store", self.work / "measured.db", "--names"]
        searcher = self.args.search_tenon
        guided, g = self.lock(name, dims, "best", "--budget", self.args.best, "--cost-model", model, *store, *turns, program=searcher)
        random, r = self.lock(name, dims, "random", "--budget", self.args.random, "--search", "random", *store, *turns, program=searcher)
        if self.args.search_only:
            return None
        few, f = self.lock(name, dims, "tune64", "--budget", 64, "--cost-model", model, "--seed", 1)
        bases = {program: self.artifact(name, dims, f"rules{k}", "--policy", "rules", program=program) for k, program in enumerate(dict.fromkeys((None, searcher)))}
        found = {}
        for what, program, words in (("hybrid", None, ("--policy", "hybrid", "--cost-model", model)), ("model", None, ("--policy", "model", "--cost-model", model)), ("tune64", None, ("--locked", few)),
                                     ("random", searcher, ("--locked", random)), ("best", searcher, ("--locked", guided))):
            found[what] = self.against(self.artifact(name, dims, what, *words, program=program), bases[program])
        best = min(found, key=lambda k: found[k]["ratio"])
        timings = {"best": g["timings"], "tune64": f["timings"], "random": r["timings"]}
        return {"model": name, "dims": dims, "family": family, "policies": found, "best_known": best, "timings": timings}


def contents(folder):
    """Code and weights: what else lies there tells when and from what they were made."""
    return [path for path in folder.iterdir() if path.suffix in (".so", ".weights")]


def ranks_beyond(rounds):
    """How many values lie on either side of an interval that holds the median with 95 %: the sign test's."""
    below, beyond = 0.0, 0
    while (below := below + math.comb(rounds, beyond) / 2 ** rounds) <= 0.025:
        beyond += 1
    return max(0, beyond - 1)


def dims_text(dims):
    return "".join(f"_{k}{v}" for k, v in dims.items())


def shown(x):
    return f"{x['ratio']:.3f} [{x['low']:.3f}, {x['high']:.3f}]"


def geometric(values):
    return math.exp(statistics.fmean(math.log(v) for v in values)) if values else float("nan")


def tables(results):
    """Markdown of a record."""
    out = [f"{results['cpu']}, target {results['target']}, commit {results['commit']}, {results['date']}. Time / that of `rules`, in turns.", "",
           "| model | family left out | best known | gap | hybrid, no timings | closed | 64 timings | closed | 1,000 random timings |", "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    closed = {"hybrid": [], "tune64": []}
    speed = {"hybrid": [], "tune64": []}
    for m in results["models"]:
        p = m["policies"]
        best = min(1.0, p[m["best_known"]]["ratio"])
        gap = 1 - best
        cells = []
        for what in ("hybrid", "tune64"):
            share = (1 - p[what]["ratio"]) / gap if gap > 0.05 else None
            if share is not None:
                closed[what].append(share)
            speed[what].append(best / p[what]["ratio"])
            cells += [shown(p[what]), "" if share is None else f"{100 * share:.0f} %"]
        dims = ",".join(f"{k}={v}" for k, v in m["dims"].items())
        out.append(f"| {m['model']} {dims} | {m['family']} | {shown(p[m['best_known']])} | {100 * gap:.1f} % | {cells[0]} | {cells[1]} | {cells[2]} | {cells[3]} | {shown(p['random'])} |")
    n = len(closed["hybrid"])
    out += ["", f"Gaps over 5 %: {n} of {len(results['models'])} models. Closed by hybrid without timings: mean {100 * statistics.fmean(closed['hybrid']):.0f} %, by 64 timings {100 * statistics.fmean(closed['tune64']):.0f} %."
            if n else f"No model has a gap over 5 %: there is nothing of which a share could be told.",
            f"Speed of best known that is reached, geometric mean: hybrid {100 * geometric(speed['hybrid']):.1f} %, 64 timings {100 * geometric(speed['tune64']):.1f} %."]
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--tenon", default=str(HERE.parent / "build/release/tools/tenon"))
    parser.add_argument("--search-tenon", help="the build that searches for best and random, whose lock files no other takes; default: --tenon")
    parser.add_argument("--zoo")
    parser.add_argument("--store", action="append", default=[])
    parser.add_argument("--device", default="all")
    parser.add_argument("--compiler", default="all")
    parser.add_argument("--target", default="native")
    parser.add_argument("--work")
    parser.add_argument("--best", type=int, default=1000)
    parser.add_argument("--random", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=0)
    parser.add_argument("--search-only", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=4, help="of a round")
    parser.add_argument("--cpu", type=int, default=-1)
    parser.add_argument("--json")
    parser.add_argument("--tables", nargs="*", default=[])
    parser.add_argument("--docs")
    args = parser.parse_args()
    if args.tables:
        text = "\n".join(tables(json.loads(pathlib.Path(path).read_text())) for path in args.tables)
        if not args.docs:
            print(text, end="")
            return
        docs = pathlib.Path(args.docs)
        head, _, rest = docs.read_text().partition(BEGIN)
        docs.write_text(head + BEGIN + "\n" + text + END + rest.partition(END)[2])
        return
    judge, path = Judge(args), pathlib.Path(args.json)
    results = json.loads(path.read_text()) if path.exists() else {
        "schema": "tenon.policies/1", "target": args.target, "cpu": compare.machine(args.tenon)["cpu"], "date": datetime.date.today().isoformat(),
        "commit": subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip(), "models": []}
    for spec in args.models:
        name, dims = compare.model_and_dims(spec)
        if any(m["model"] == name and m["dims"] == dims for m in results["models"]):
            continue
        begin = datetime.datetime.now()
        found = judge.judge(spec)
        if found is None:
            continue
        results["models"].append(found)
        path.write_text(json.dumps(results, separators=(",", ":")))
        print(name, {k: shown(v) for k, v in found["policies"].items()}, f"{(datetime.datetime.now() - begin).total_seconds():.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
