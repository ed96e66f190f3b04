#!/usr/bin/env python3
"""What a second worker gains on a quiet machine, and what it costs beside a processor that another process keeps busy.

    two_threads.py resnet50 bert_base:B=1,S=128 --zoo FOLDER [--rounds 7] [--seconds 0.4] [--cpus 0,1] [--json FILE]

Per model, in turns: two workers and one, some 100 ms of either in turns in one process (`tenon bench --against-workers`), so that both
see the same clock; then two workers while a process spins on the second processor. Models and dims as
in benchmarks/compare.py, of which this uses a part; artifacts are compiled with --threads pool and nothing is pinned but to
--cpus. Then twins: two processes at a time, each on a processor of its own with one worker, that share nothing
but the file of weights. Every turn is a process of its own and counts with the median of its calls, so that a call that had
both processors between two slices of the neighbour's does not speak for the others; rounds in which other processes used more
than --foreign of a processor are repeated, at most --rounds times three. `gain` is one worker / two, `beside` one
worker without the neighbour / two beside it: medians over the rounds. `twins` is what the twins gain: on a quiet machine 2, on one
whose processors are shared with other guests less, and no program gains more there. `least` is the least call of one worker / the
least of two, of all rounds: what a machine gives that has no other guests. Where such guests are, two workers, who wait for each other, are held up by what holds
up either, so the gain of the least calls is what is judged. `roofline` is the gain that the target file's rates allow, where
memory is not faster for two; how much faster it is, is measured first. Exit code 1: a gain is under its limit, 1.85 where the
model takes at least 5 ms and arithmetic bounds it, else 0.95 of memory's, or beside the neighbour it is under 0.9; twins are told, not judged.
--json: schema tenon.threads/1, which report.py reads.
"""
import argparse
import ctypes
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import compare  # noqa: E402

COMPUTE_BOUND_GAIN, BANDWIDTH_SHARE, BESIDE, COMPUTE_BOUND_MS = 1.85, 0.95, 0.9, 5.0


class Neighbour:
    """A process that does nothing but spin, on one processor, at the usual priority; it ends when this one does."""

    def __init__(self, cpu):
        self.process = subprocess.Popen([sys.executable, "-S", "-c", "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"],
                                        preexec_fn=lambda: os.sched_setaffinity(0, [cpu]))

    def stop(self):
        self.process.kill()
        self.process.wait()


def used_seconds(cpus):
    """Of the processors' time, what anybody has used, the hypervisor's other guests included."""
    lines = pathlib.Path("/proc/stat").read_text().splitlines()
    columns = [line.split() for line in lines if line.split()[0] in {f"cpu{cpu}" for cpu in cpus}]
    return sum(int(c[k]) for c in columns for k in (1, 2, 3, 6, 7, 8)) / os.sysconf("SC_CLK_TCK")


def bandwidth_gain(megabytes=512, rounds=7):
    """How much faster two threads read memory than one: memchr over what no cache holds, least of the rounds."""
    memchr = ctypes.CDLL(None).memchr
    memchr.argtypes, memchr.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], ctypes.c_void_p
    size = megabytes << 20
    memory = ctypes.create_string_buffer(size)
    ctypes.memset(memory, 1, size)
    base = ctypes.addressof(memory)

    def seconds(parts):
        threads = [threading.Thread(target=memchr, args=(base + size // parts * k, 0, size // parts)) for k in range(parts)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    pairs = [(seconds(1), seconds(2)) for _ in range(rounds)]
    return min(one for one, _ in pairs) / min(two for _, two in pairs)


def turn(options, artifact, runs, beside):
    """What `tenon bench` says of two workers, without a neighbour beside one worker, and the share of one processor that neither we
    nor the neighbour used meanwhile."""
    start, used, own = time.monotonic(), used_seconds(options.cpus), sum(os.times()[:4])
    neighbour = Neighbour(options.cpus[-1]) if beside else None
    report = bench(options, artifact, 2, "--runs", runs, *([] if beside else ["--against", artifact, "--against-workers", 1]))
    if neighbour:
        neighbour.stop()  # whose time is then that of a child
    foreign = used_seconds(options.cpus) - used - (sum(os.times()[:4]) - own)
    return report, foreign / (time.monotonic() - start)


def begin_bench(options, artifact, workers, *more, cpus=None):
    words = [options.tenon, "bench", artifact, "--json", "--workers", str(workers), *map(str, more)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cpus or options.cpus))


def end_bench(process):
    out, err = process.communicate()
    if process.returncode:
        sys.exit(f"two_threads.py: {' '.join(map(str, process.args))}: {err}")
    return json.loads(out)


def bench(options, artifact, workers, *more):
    return end_bench(begin_bench(options, artifact, workers, *more))


def twins(options, artifact, runs):
    """Milliseconds of a call of one worker while another process does the same on the other processor."""
    pair = [begin_bench(options, artifact, 1, "--runs", runs, cpus=[cpu]) for cpu in options.cpus]
    return statistics.harmonic_mean([end_bench(process)["median_ms"] for process in pair])


def compiled(options, name, binding, scratch):
    path = compare.find_model(name, options.zoo)
    artifact = scratch / re.sub(r"\W", "_", f"{name}_{sorted(binding.items())}")
    words = [options.tenon, "compile", path, "-o", artifact, "--target", options.target, "--emit", "so", "--threads", "pool"]
    for symbol, value in binding.items():
        words += ["--dim", f"{symbol}={value}"]
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"two_threads.py: {' '.join(map(str, words))}: {done.stderr}")
    return artifact


def measure(name, binding, options, scratch):
    artifact = compiled(options, name, binding, scratch)
    once = bench(options, artifact, 1, "--runs", 5)["median_ms"]
    runs = max(5, int(options.seconds * 1e3 / once))
    turns = {"one": [], "two": [], "twin": [], "beside": []}
    gains, disturbed, least = [], 0, {"one": [], "two": []}
    while len(gains) < options.rounds:
        alone, foreign = turn(options, artifact, runs, False)
        twin = twins(options, artifact, runs)
        with_neighbour, more = turn(options, artifact, runs, True)
        if max(foreign, more) > options.foreign and disturbed < 3 * options.rounds:
            disturbed += 1
            continue
        gains.append(1 / alone["against"]["ratio"])
        least["one"].append(alone["against"]["min_ms"])
        least["two"].append(alone["min_ms"])
        for label, ms in (("one", alone["against"]["median_ms"]), ("two", alone["median_ms"]), ("twin", twin), ("beside", with_neighbour["median_ms"])):
            turns[label].append(ms)
    floors = [bench(options, artifact, workers, "--runs", 3, "--kernels").get("floor_ms") for workers in (1, 2)]
    beside = statistics.median(one / two for one, two in zip(turns["one"], turns["beside"]))
    by_twins = statistics.median(2 * one / twin for one, twin in zip(turns["one"], turns["twin"]))
    return {"model": name, "dims": binding, "disturbed_rounds": disturbed, "round_medians_ms": turns, "round_least_ms": least, "gain": statistics.median(gains), "twins": by_twins,
            "least": min(least["one"]) / min(least["two"]),
            "beside": beside, "roofline": floors[0] / floors[1] if all(floors) else None}


def limit(row, bandwidth):
    """Of the gain."""
    by_arithmetic = row["roofline"] is not None and row["roofline"] >= COMPUTE_BOUND_GAIN
    long = statistics.median(row["round_medians_ms"]["one"]) >= COMPUTE_BOUND_MS
    return COMPUTE_BOUND_GAIN if by_arithmetic and long else BANDWIDTH_SHARE * bandwidth


def show(row):
    ms = {label: statistics.median(values) for label, values in row["round_medians_ms"].items()}
    dims = ",".join(f"{k}={v}" for k, v in row["dims"].items())
    known = "-" if row["roofline"] is None else f"{row['roofline']:.2f}"
    print(f"{row['model']:<24} {dims:<14} one {ms['one']:9.3f} ms  two {ms['two']:9.3f} ms  gain {row['gain']:.3f} (twins {row['twins']:.3f}, least {row['least']:.3f}, roofline {known})"
          f"  beside {ms['beside']:9.3f} ms  {row['beside']:.3f}  ({row['disturbed_rounds']} disturbed)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL[:SYM=N,...]")
    parser.add_argument("--zoo", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="of a process's turns; at least five calls are made")
    parser.add_argument("--foreign", type=float, default=0.05, help="share of a processor that others may use in a round that counts")
    parser.add_argument("--target", default="native")
    parser.add_argument("--tenon", default=ROOT / "build/release/tools/tenon")
    parser.add_argument("--cpus", type=lambda s: [int(c) for c in s.split(",")], default=sorted(os.sched_getaffinity(0))[:2])
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if len(options.cpus) != 2:
        parser.error("two processors are needed: --cpus A,B")
    os.sched_setaffinity(0, options.cpus)  # and so all that this starts
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    results = {"schema": "tenon.threads/1", "commit": commit, "machine": compare.machine(options.tenon),
               "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"), "bandwidth_gain": bandwidth_gain(), "rows": []}
    print(f"two threads read memory {results['bandwidth_gain']:.2f} times as fast as one", flush=True)
    missed = 0
    with tempfile.TemporaryDirectory(prefix="tenon_threads_") as folder:
        for spec in options.models:
            name, binding = compare.model_and_dims(spec)
            row = measure(name, binding, options, pathlib.Path(folder))
            results["rows"].append(row)
            show(row)
            missed += row["beside"] < BESIDE or row["least"] < limit(row, results["bandwidth_gain"])
            if options.json:
                options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
