#!/usr/bin/env python3
"""Milliseconds from the start of a process to its first result without the inference itself, page cache warm: a compiled
host program around our artifact (linked in, and opened as a library), and programs around the peers' C libraries, in turns.

    cold_start.py MODEL.onnx [--dim N=1] [--target native] [--rounds 15] [--core 1] [--tenon FILE] [--peers onnxruntime,openvino]
                  [-- --weights file ...]

The model has one f32 input and one f32 output. "without inference": the second call's time is taken off. Peers come from
the Python that runs this; their model has the dims bound. `anonymous` is RssAnon after both calls: a second copy of the
weights would show there. gcc compiles the programs. "static" is without a loader, "huge" with large pages under the workspace,
"populated" and "mapped weights" have all pages of the weights mapped in one go: inside the library, or a file beside it.
"""
import argparse
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = pathlib.Path(__file__).resolve().parent / "cold_start"


def run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"cold_start.py: {' '.join(map(str, words))}: {done.stderr}{done.stdout}")
    return done.stdout


def count(dims):
    product = 1
    for dim in dims:
        product *= int(dim)
    return product


def build(source, program, *flags):
    run("gcc", "-O2", "-Wall", SOURCES / source, "-o", program, *flags)


def ours(args, folder, extra):
    """Programs around our artifact: name -> command."""
    artifact = folder / "artifact"
    dims = [w for dim in args.dim for w in ("--dim", dim)]
    run(args.tenon, "compile", args.model, "-o", artifact, "--name", "cold", "--target", args.target, "--emit", "so,a,header", *dims, *extra)
    manifest = json.loads((artifact / "manifest.json").read_text())
    (source,), (result,) = manifest["inputs"], manifest["outputs"]
    size = {"in": count(source["dims"]), "out": count(result["dims"])}
    flags = [f"-I{artifact}", "-DMODEL=cold", f"-DINPUT={source['field']}", f"-DOUTPUT={result['field']}", '-DHEADER="cold.h"',
             '-DPREFIX="cold"', f"-DCOUNT={size['in']}", f"-DRESULTS={size['out']}"]
    build("ours.c", folder / "linked", *flags, artifact / "libcold.a")
    build("ours.c", folder / "static", "-static", *flags, artifact / "libcold.a")
    build("ours.c", folder / "opened", "-DSHARED", *flags)
    build("ours.c", folder / "populated", f"-DPOPULATE={manifest['weights']['bytes']}", *flags, artifact / "libcold.a")
    build("ours.c", folder / "huge", "-static", "-DHUGE_PAGES", *flags, artifact / "libcold.a")
    commands = {"tenon, linked": [folder / "linked"], "tenon, static": [folder / "static"], "static, huge": [folder / "huge"],
                "populated": [folder / "populated"],
                "tenon, dlopen": [folder / "opened", artifact / "libcold.so"]}
    beside = folder / "beside"
    run(args.tenon, "compile", args.model, "-o", beside, "--name", "cold", "--target", args.target, "--emit", "a,header",
        "--weights", "file", *dims, *extra)
    flags[0] = f"-I{beside}"
    build("ours.c", folder / "mapped", "-static", f'-DWEIGHTS="{beside / "cold.weights"}"', *flags, beside / "libcold.a")
    commands["mapped weights"] = [folder / "mapped"]
    return commands, source["name"], result["name"], size


def bound_model(args, folder):
    import onnx
    model = onnx.load(args.model)
    values = dict(dim.split("=") for dim in args.dim)
    for value in [*model.graph.input, *model.graph.output]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in values:
                dim.dim_value = int(values[dim.dim_param])
    path = folder / "bound.onnx"
    onnx.save(model, path)
    return path


def peers(args, folder, source, result, size):
    wanted, commands = args.peers.split(",") if args.peers else [], {}
    for peer, pattern in (("onnxruntime", "capi/libonnxruntime.so*"), ("openvino", "libs/libopenvino_c.so*")):
        if peer not in wanted:
            continue
        spec = importlib.util.find_spec(peer)
        found = sorted(pathlib.Path(spec.origin).parent.glob(pattern)) if spec else []
        if not found:
            print(f"{peer} is left out: this Python has no {pattern}", file=sys.stderr)
            continue
        model = bound_model(args, folder)
        build(peer + ".c", folder / peer, "-ldl")
        names = [source, result] if peer == "onnxruntime" else []
        commands[peer] = [folder / peer, found[0], model, *names, size["in"], size["out"]]
    return commands


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--dim", action="append", default=[])
    parser.add_argument("--target", default="native")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--core", help="pin to this core, at a real-time priority where that is allowed")
    parser.add_argument("--peers", default="onnxruntime,openvino")
    parser.add_argument("--tenon", type=pathlib.Path, default=ROOT / "build/release/tools/tenon")
    words = sys.argv[1:]
    extra = words[words.index("--") + 1:] if "--" in words else []
    args = parser.parse_args(words[:words.index("--")] if "--" in words else words)
    pin = []
    if args.core:
        pin = ["taskset", "-c", args.core]
        if subprocess.run(["chrt", "-f", "10", "true"], capture_output=True).returncode == 0:
            pin = ["chrt", "-f", "10", *pin]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        commands, source, result, size = ours(args, folder, extra)
        commands |= peers(args, folder, source, result, size)
        build("launch.c", folder / "launch")
        rounds = {who: [] for who in commands}
        for k in range(args.rounds + 2):  # two warm the page cache
            for who, command in commands.items():
                record = json.loads(run(*pin, folder / "launch", *command))
                if k >= 2:
                    rounds[who].append(record)
        print(f"{'':16} {'start to first result':>22} {'without inference':>18} {'ready':>8} {'inference':>10} {'anonymous':>12} {'faults':>8}")
        for who, records in rounds.items():
            middle = {key: statistics.median(r[key] for r in records) for key in records[0]}
            cold = statistics.median(r["ready_ms"] + r["first_ms"] - r["second_ms"] for r in records)
            print(f"{who:16} {middle['ready_ms'] + middle['first_ms']:>19.2f} ms {cold:>15.2f} ms {middle['ready_ms']:>5.2f} ms "
                  f"{middle['second_ms']:>7.2f} ms {middle['anonymous_kb']:>9.0f} KB {middle['minor_faults']:>8.0f}")
        sums = {who: records[0]["sum"] for who, records in rounds.items()}
        reference = next(iter(sums.values()))
        for who, total in sums.items():
            if abs(total - reference) > 1e-3 * max(1, abs(reference)):
                sys.exit(f"cold_start.py: {who} gives another result: the sum is {total}, not {reference}")


if __name__ == "__main__":
    main()
