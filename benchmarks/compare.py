#!/usr/bin/env python3
"""Tenon beside other runtimes on the same machine, in turns.

    compare.py resnet50 bert_base:B=1,S=128 --zoo FOLDER [--peers onnxruntime,openvino] [--threads 1,2]
    compare.py resnet50 --zoo FOLDER --symbolic     # the dims stay open in Tenon's artifact
    compare.py resnet50 --zoo FOLDER --against-pinned  # symbolic against pinned artifacts of ours

Needs the packages of requirements.txt. MODEL is a name of the zoo (FOLDER holds it with its weights,
../shared/zoo its sidecar), a name of ../shared/models, or an ONNX file. Each runtime runs in a process of
its own with the same inputs, pinned to the same cores; they take turns, at least --rounds times, and their
outputs are compared. A canary, a product that the cache holds, runs between the turns; rounds that it finds disturbed are
repeated, at most --rounds times three. The figure is the median over rounds of (our median / their median), with a bootstrap
95 % interval; a limit is met when the upper end is at most the limit + 0.03.

Results go to --json FILE: commit, processor, date, every round; compile seconds and the compiler's peak memory;
load and first call; with --kernels the records of `tenon bench --kernels`. report.py makes pages of them.
"""
import argparse
import datetime
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of the canary
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
SHARED = pathlib.Path(os.environ.get("TENON_SHARED", ROOT.parent / "shared"))


def sidecar(name):
    path = SHARED / "zoo" / (name + ".json")
    return json.loads(path.read_text()) if path.exists() else None


def model_and_dims(spec):
    """Of NAME[:SYM=N,...]; without dims, those of the model's first test."""
    name, _, dims = spec.partition(":")
    binding = {k: int(v) for k, v in (d.split("=") for d in dims.split(",") if d)}
    if not binding and (side := sidecar(name)):
        binding = side["tests"][0]
    return name, binding


def find_model(name, zoo):
    if name.endswith(".onnx"):
        return pathlib.Path(name)
    for path in [zoo / (name + ".onnx"), *sorted((SHARED / "models").rglob(name + "*.onnx"))]:
        if path.exists():
            return path
    sys.exit(f"compare.py: no model {name} in {zoo} or {SHARED / 'models'}")


def make_inputs(name, path, binding):
    """The zoo's own inputs; elsewhere noise, and small integers where integers are asked for."""
    side = sidecar(name)
    if side:
        spec = importlib.util.spec_from_file_location("make_inputs", SHARED / "zoo" / "make_inputs.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.inputs(side, binding)
    import onnx
    model = onnx.load(path, load_external_data=False)
    initialisers = {i.name for i in model.graph.initializer}
    rng, made = np.random.default_rng(0), {}
    for value in model.graph.input:
        if value.name in initialisers:
            continue
        dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        dims = [d.dim_value or binding.get(d.dim_param, 1) for d in value.type.tensor_type.shape.dim]
        made[value.name] = (rng.standard_normal(dims) if dtype.kind == "f" else rng.integers(0, 2, dims)).astype(dtype)
    return made


class Canary:
    """A product of matrices that the first-level cache holds, and one of vectors that the second holds, which neighbours on the
    same core make slow: what slows them down would slow every runtime, but not in every turn alike."""
    TOLERANCE = np.array([1.06, 1.25])

    def __init__(self, cpus):
        os.sched_setaffinity(0, cpus)
        self.a = np.random.default_rng(0).standard_normal((96, 96), dtype=np.float32)
        self.v = np.ones(1 << 18, np.float32)
        self.start()

    def start(self):
        """What the machine can do now: it is the turns of one model that have to be alike, and machines change over minutes."""
        self.best = np.min([self.seconds() for _ in range(200)], axis=0)

    def seconds(self):
        times = [time.perf_counter()]
        for operand in (self.a, self.v):
            for _ in range(20):
                operand @ operand
            times.append(time.perf_counter())
        return np.diff(times)

    def quiet(self):
        seconds = np.min([self.seconds() for _ in range(3)], axis=0)
        self.best = np.minimum(self.best, seconds)
        return bool(np.all(seconds <= self.TOLERANCE * self.best))

    def wait(self, seconds=2.0):
        """Until the machine is quiet, but not for ever: the rounds say what came of it."""
        end = time.monotonic() + seconds
        while not self.quiet() and time.monotonic() < end:
            time.sleep(0.02)


class Worker:
    def __init__(self, config):
        self.runtime = config["runtime"]
        environment = {**os.environ, "OMP_NUM_THREADS": str(config["threads"])}
        self.process = subprocess.Popen([sys.executable, HERE / "worker.py", json.dumps(config)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"compare.py: {self.runtime} failed to start")
        self.about = json.loads(line)
        self.outputs = np.load(config["outputs"])

    def measure(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def anonymous_kb(pid):
    """Memory of the process that no file backs."""
    try:
        found = re.search(r"RssAnon:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


# What each side is asked for: ours, and OpenVINO's hint. ONNX Runtime has no such choice and computes in f32.
PRECISIONS = {"f32": ("strict", "f32"), "fast": ("fast", "f32"), "bf16": ("bf16", "bf16"), "f16": ("fp16", "f16")}


def peers_of(precision, peers):
    """Those that compute in the precision."""
    return peers if PRECISIONS[precision][1] == "f32" else [p for p in peers if p != "onnxruntime"]


def compile_tenon(tenon, path, dims, folder, options):
    command = [tenon, "compile", path, "-o", folder, "--target", options.target, "--emit", "so,header",
               "--weights", "file", "--precision", PRECISIONS[options.precision][0], *options.tenon_options.split()]
    for symbol, value in dims.items():
        command += ["--dim", f"{symbol}={value}"]
    with tempfile.TemporaryFile("w+") as errors:
        start, anonymous, done = time.perf_counter(), 0, 0
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        while not done:
            anonymous = max(anonymous, anonymous_kb(process.pid))
            time.sleep(0.005)
            done, status, usage = os.wait4(process.pid, os.WNOHANG)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"compare.py: {' '.join(map(str, command))}\n{errors.read()}")
    return {"compile_s": seconds, "compile_peak_kb": usage.ru_maxrss, "compile_anon_kb": anonymous}


def time_kernels(tenon, folder, dims, threads, cpus):
    """`tenon bench --kernels` of an artifact, and the rates that its rooflines are drawn from."""
    command = [tenon, "bench", folder, "--kernels", "--json", "--workers", str(threads)]
    for symbol, value in dims.items():
        command += ["--dim", f"{symbol}={value}"]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    if done.returncode:
        sys.exit(f"compare.py: {' '.join(map(str, command))}\n{done.stderr}")
    target = json.loads((folder / "manifest.json").read_text())["target"]
    return {"bench": json.loads(done.stdout), "rates": target["rates"]}


def bootstrap(ratios, repeats=4000):
    """95 % interval of the median."""
    rng = np.random.default_rng(0)
    samples = np.median(rng.choice(ratios, (repeats, len(ratios))), axis=1)
    return [float(np.quantile(samples, q)) for q in (0.025, 0.975)]


def worst_difference(a, b):
    """Largest difference of any output, in units of that output's largest value."""
    worst = 0.0
    for k, name in enumerate(a["names"]):
        if name not in list(b["names"]):
            continue
        x = a[str(k)].astype(np.float64)
        y = b[str(list(b["names"]).index(name))].astype(np.float64)
        if x.shape != y.shape:
            return float("inf")
        finite = np.isfinite(y)
        if x.size and finite.any():
            worst = max(worst, float(np.max(np.abs(x - y)[finite]) / max(np.max(np.abs(y[finite])), 1e-30)))
    return worst


def compare(name, binding, threads, options, scratch):
    path = find_model(name, options.zoo)
    stem = re.sub(r"\W", "_", f"{name}_{sorted(binding.items())}")
    inputs = scratch / (stem + ".npz")
    np.savez(inputs, **make_inputs(name, path, binding))
    base = {"model": str(path), "inputs": str(inputs), "threads": threads, "cpus": options.cpus[:threads],
            "precision": PRECISIONS[options.precision][1]}
    contenders, row = [], {"model": name, "dims": binding, "threads": threads, "symbolic": options.symbolic,
                       "precision": options.precision}

    def ours(label, dims):
        folder = scratch / f"{stem}_{label}"
        row.update(compile_tenon(options.tenon, path, dims, folder, options))
        contenders.append((label, {**base, "runtime": "tenon", "artifact": str(folder)}))

    ours("tenon", {} if options.symbolic or options.against_pinned else binding)
    if options.against_pinned:
        ours("pinned", binding)
    else:
        contenders += [(peer, {**base, "runtime": peer}) for peer in peers_of(options.precision, options.peers)]
    workers = {label: Worker({**config, "outputs": str(scratch / f"{stem}_{label}_out.npz")}) for label, config in contenders}
    row["peers"] = {}
    medians = {label: [] for label in workers}
    options.canary.start()
    disturbed, turn, most = 0, 0, options.rounds * 3  # of a machine that is never quiet every round counts in the end
    while turn <= options.rounds:
        times, quiet = {}, True
        for label, worker in (workers.items() if turn % 2 else reversed(workers.items())):
            options.canary.wait()
            times[label] = float(np.median(worker.measure(options.seconds)))
            quiet &= options.canary.quiet()
        if not quiet and disturbed < most and turn:
            disturbed += 1
            continue
        turn += 1
        if turn > 1:  # the first round warms up
            for label, ms in times.items():
                medians[label].append(ms)
        if sys.stderr.isatty():
            print(f"\r{name}: round {turn}/{options.rounds}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    row["disturbed_rounds"] = disturbed
    for label, worker in workers.items():
        row["peers"][label] = {**worker.about, "round_medians_ms": medians[label]}
        if label == "tenon":
            continue
        ratios = np.array(medians["tenon"]) / np.array(medians[label])
        row["peers"][label] |= {"ratio": float(np.median(ratios)), "interval": bootstrap(ratios),
                                "difference": worst_difference(workers["tenon"].outputs, worker.outputs)}
    for worker in workers.values():
        worker.close()
    if options.kernels:
        folder = pathlib.Path(contenders[0][1]["artifact"])
        dims = binding if options.symbolic or options.against_pinned else {}
        row["kernels"] = time_kernels(options.tenon, folder, dims, threads, base["cpus"])
    return row


def show(row):
    dims = ",".join(f"{k}={v}" for k, v in row["dims"].items())
    ours = np.median(row["peers"]["tenon"]["round_medians_ms"])
    text = f"{row['model']:<30} {dims:<16} {row['threads']}T  ours {ours:9.3f} ms"
    for peer, p in row["peers"].items():
        if "ratio" in p:
            low, high = p["interval"]
            text += f"  | {peer} {np.median(p['round_medians_ms']):9.3f} ms ratio {p['ratio']:.3f} [{low:.3f}, {high:.3f}] diff {p['difference']:.0e}"
    if "compile_s" in row:
        text += f"  | compile {row['compile_s']:.2f} s {row['compile_peak_kb'] // 1024} MB (anonymous {row['compile_anon_kb'] // 1024})"
    print(text, flush=True)


def machine(tenon):
    """The processor; `microarchitecture` is LLVM's name of what `native` takes it for, as makers give several one name."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    flags = set(re.search(r"flags\s*: (.*)", text).group(1).split())
    features = [f for f in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile") if f in flags]
    model = re.search(r"model name\s*: (.*)", text).group(1)
    family = re.search(r"cpu family\s*: (.*)", text).group(1)
    native = json.loads(subprocess.run([tenon, "targets", "native", "--message-format", "json"], capture_output=True, check=True).stdout)
    return {"cpu": model, "microarchitecture": native["cpu"], "family": family, "features": features, "cores": os.cpu_count()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL[:SYM=N,...]")
    parser.add_argument("--zoo", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--peers", default="onnxruntime,openvino", type=lambda s: [p for p in s.split(",") if p])
    parser.add_argument("--threads", default="1", type=lambda s: [int(t) for t in s.split(",")])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each turn; at least one call is made")
    parser.add_argument("--target", default="native")
    parser.add_argument("--precision", default="f32", choices=list(PRECISIONS),
                        help="of both sides: ours is compiled with --precision, OpenVINO is given the hint")
    parser.add_argument("--symbolic", action="store_true")
    parser.add_argument("--against-pinned", action="store_true")
    parser.add_argument("--kernels", action="store_true", help="add what each of our kernels does against the roofline")
    parser.add_argument("--tenon", default=ROOT / "build/release/tools/tenon")
    parser.add_argument("--tenon-options", default="")
    parser.add_argument("--cpus", type=lambda s: [int(c) for c in s.split(",")], default=sorted(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    options.canary = Canary(options.cpus[:max(options.threads)])
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    results = {"schema": "tenon.compare/1", "commit": commit, "machine": machine(options.tenon),
               "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"), "rows": []}
    with tempfile.TemporaryDirectory(prefix="tenon_compare_") as folder:
        for spec in options.models:
            name, binding = model_and_dims(spec)
            for threads in options.threads:
                row = compare(name, binding, threads, options, pathlib.Path(folder))
                results["rows"].append(row)
                show(row)
                if options.json:
                    options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
