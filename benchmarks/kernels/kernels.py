#!/usr/bin/env python3
"""Every contraction of a model beside oneDNN, one thread, in turns.

    kernels.py MODEL.onnx [--dim N=1 ...] [--target native] [--rounds 5] [--core 1] [--least 1] [--json FILE]
               [--program build/release/benchmarks/onednn_kernels] [--tenon FILE]

Rounds of `tenon bench --kernels` and of oneDNN take turns. Ours is a kernel with all that is fused into it: the table says
which operators those are. oneDNN does the contraction with its bias, and a ReLU where ours has nothing but that; what else
is fused into ours is work that it does not do. Its figure is that of all contractions one after another, each with memory
of its own, so that caches are about as cold as in the model. A row is what runs together: contractions that share a
kernel, or that one kernel does at once, with the copies that they need. Roofline is what the target file's rates allow.

Needs the onnx package, and onnxruntime where shapes are computed by the model itself. --least: leave out what takes less than so many percent of the whole.
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
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTRACTIONS = {"Conv", "MatMul", "Gemm"}


def attributes(node):
    import onnx
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


class Model:
    """Nodes by number, with the shapes of their operands."""

    def __init__(self, path, values):
        import onnx
        model = onnx.load(path, load_external_data=False)
        for value in [*model.graph.input, *model.graph.output]:
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_param:
                    try:
                        dim.dim_value = eval(dim.dim_param, {"__builtins__": {}}, values)  # "P + S"
                    except NameError:
                        sys.exit(f"kernels.py: --dim {dim.dim_param}=1 is needed")
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        self.nodes = list(graph.node)
        self.shapes = {i.name: list(i.dims) for i in graph.initializer}
        self.constants = set(self.shapes)
        for value in [*graph.input, *graph.value_info, *graph.output]:
            self.shapes[value.name] = [d.dim_value for d in value.type.tensor_type.shape.dim]
        operands = [name for n in self.nodes if n.op_type in CONTRACTIONS for name in [*n.input[:2], n.output[0]]]
        unknown = [name for name in dict.fromkeys(operands) if not self.shapes.get(name) or 0 in self.shapes[name]]
        if unknown:
            self.ask_runtime(path, graph.input, unknown)

    def ask_runtime(self, path, inputs, names):
        """Shapes that depend on computed ones: the model is run once."""
        import numpy
        import onnx
        import onnxruntime
        model = onnx.load(path)
        known = {o.name for o in model.graph.output} | {i.name for i in model.graph.input}
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        given = {}
        for value in inputs:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            if value.name not in self.constants:
                given[value.name] = numpy.ones(self.shapes[value.name], dtype)
        for name, array in zip(names, session.run(names, given)):
            self.shapes[name] = list(array.shape)

    def line(self, number, relu):
        """The contraction as onednn_kernels reads it, and as people do; None: its shape is not known here."""
        node = self.nodes[number]
        a, b = (self.shapes.get(name) for name in node.input[:2])
        out = self.shapes.get(node.output[0])
        if not (a and b and out) or 0 in a + b + out:
            return None
        if node.op_type == "Conv":
            return self.conv(node, a, b, out, relu)
        if node.op_type == "Gemm":
            attr = attributes(node)
            m, k = reversed(a) if attr.get("transA", 0) else a
            n = b[0] if attr.get("transB", 0) else b[1]
            return self.product(1, m, k, n, node.input[1] in self.constants, relu)
        if len(a) < 2 or len(b) < 2:
            return None
        if len(b) == 2:
            return self.product(1, math.prod(a[:-1]), a[-1], b[-1], node.input[1] in self.constants, relu)
        return self.product(math.prod(out[:-2]), a[-2], a[-1], b[-1], False, relu)

    @staticmethod
    def product(batch, m, k, n, constant, relu):
        return (f"matmul {batch} {m} {k} {n} {int(constant)} {int(relu)}", (f"{batch} x " if batch > 1 else "") + f"{m} x {k} x {n}")

    @staticmethod
    def conv(node, a, b, out, relu):
        attr = attributes(node)
        if len(a) != 4:
            return None
        strides, dilations = attr.get("strides", [1, 1]), attr.get("dilations", [1, 1])
        pads = attr.get("pads", [0, 0, 0, 0])
        if attr.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER"):
            total = [max(0, (out[2 + d] - 1) * strides[d] + (b[2 + d] - 1) * dilations[d] + 1 - a[2 + d]) for d in range(2)]
            pads = [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]
        numbers = [*a, b[0], *b[2:], *strides, *dilations, *pads, attr.get("group", 1), int(relu)]
        text = f"{a[1]} -> {b[0]}, {a[2]}x{a[3]}, {b[2]}x{b[3]}" + (f" /{strides[0]}" if strides[0] > 1 else "")
        return "conv " + " ".join(map(str, numbers)), text + (f", {attr['group']} groups" if attr.get("group", 1) > 1 else "")


def group(kernels):
    """Kernels with contractions; those that have one in common stay together: a copy that one of them reads, or one
    kernel that several equal contractions share."""
    groups = []
    for kernel in kernels:
        nodes = {n["index"] for n in kernel["nodes"] if n["op"] in CONTRACTIONS}
        if not nodes:
            continue
        merged, members = nodes, [kernel]
        for other_nodes, other in [g for g in groups if g[0] & nodes]:
            merged, members = merged | other_nodes, other + members
        groups = [g for g in groups if not g[0] & nodes] + [(merged, members)]
    return [members for _, members in groups]


def counted(words):
    """"2 x a, b"."""
    words = list(words)
    return ", ".join((f"{words.count(w)} x " if words.count(w) > 1 else "") + w for w in dict.fromkeys(words))


def run(words, text=None):
    done = subprocess.run([str(w) for w in words], input=text, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        sys.exit(f"kernels.py: {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--dim", action="append", default=[])
    parser.add_argument("--target", default="native")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core")
    parser.add_argument("--least", type=float, default=0)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/benchmarks/onednn_kernels")
    parser.add_argument("--tenon", type=pathlib.Path, default=ROOT / "build/release/tools/tenon")
    args = parser.parse_args()
    if not args.program.exists():
        sys.exit(f"kernels.py: {args.program} is not there: was oneDNN (libdnnl-dev) found when this was configured?")
    pin = ["taskset", "-c", args.core] if args.core else []
    if pin and subprocess.run(["chrt", "-f", "10", "true"], capture_output=True).returncode == 0:
        pin = ["chrt", "-f", "10", *pin]
    values = {name: int(value) for name, value in (dim.split("=") for dim in args.dim)}
    dims = [word for dim in args.dim for word in ("--dim", dim)]
    model = Model(args.model, values)
    with tempfile.TemporaryDirectory() as name:
        artifact = pathlib.Path(name) / "artifact"
        run([args.tenon, "compile", args.model, "-o", artifact, "--target", args.target, "--emit", "so", *dims])
        bench = [*pin, args.tenon, "bench", artifact, "--kernels", "--json"]
        kernels = json.loads(run(bench))["kernels"]
        groups = group(kernels)
        rows = []
        for members in groups:
            nodes = {n["index"]: n["op"] for k in members for n in k["nodes"]}
            numbers = sorted(i for i, op in nodes.items() if op in CONTRACTIONS)
            others = sorted(op for i, op in nodes.items() if op not in CONTRACTIONS)
            relu = set(others) <= {"Relu"} and len(others) == len(numbers)
            lines = [model.line(i, relu) for i in numbers]
            if all(lines):
                rows.append({"kernels": [k["name"] for k in members], "op": "+".join(sorted({nodes[i] for i in numbers})),
                             "lines": [line for line, _ in lines], "shapes": counted(text for _, text in lines), "fused": counted(others)})
            else:
                print(f"left out, of unknown shape: {', '.join(k['name'] for k in members)}", file=sys.stderr)
        text = "".join(line + "\n" for row in rows for line in row["lines"])
        ours, theirs, totals, roofs = [[] for _ in rows], [[] for _ in rows], [], [[] for _ in rows]
        for _ in range(args.rounds):
            record = json.loads(run(bench))
            totals.append(record["median_ms"])
            by_name = {k["name"]: k for k in record["kernels"]}
            found = iter(run([*pin, args.program, "9"], text).splitlines())
            for k, row in enumerate(rows):
                members = [by_name[name] for name in row["kernels"]]
                ours[k].append(sum(m["median_ms"] for m in members))
                least = [(m["roofline"] or 0) * m["median_ms"] for m in members if m["roofline"] is not None]
                roofs[k].append(sum(least) / ours[k][-1])
                theirs[k].append(sum(json.loads(next(found))["median_ms"] for _ in row["lines"]))
    total = statistics.median(totals)
    table = []
    for row, a, b, roof in zip(rows, ours, theirs, roofs):
        table.append({**row, "ours_ms": statistics.median(a), "onednn_ms": statistics.median(b),
                      "ratio": statistics.median(x / y for x, y in zip(a, b)), "roofline": statistics.median(roof),
                      "share": statistics.median(a) / total})
    table.sort(key=lambda row: -row["share"])
    version = run([args.program, "--version"]).strip()
    print(f"{args.model.stem} {' '.join(args.dim)}: {total:.2f} ms; oneDNN {version}")
    print(f"{'share':>7} {'ours':>10} {'oneDNN':>10} {'ratio':>6} {'roofline':>8}  contractions")
    for row in table:
        if row["share"] * 100 < args.least:
            continue
        fused = f"  + {row['fused']}" if row["fused"] else ""
        print(f"{row['share'] * 100:>5.1f} % {row['ours_ms']:>7.3f} ms {row['onednn_ms']:>7.3f} ms {row['ratio']:>6.2f} "
              f"{row['roofline'] * 100:>6.0f} %  {row['op']} {row['shapes']}{fused}")
    whole = sum(r["ours_ms"] for r in table) / sum(r["onednn_ms"] for r in table)
    mean = math.exp(statistics.fmean(math.log(r["ratio"]) for r in table))
    print(f"all: {whole:.2f} of oneDNN's time; geometric mean of the ratios {mean:.2f}; {sum(r['share'] for r in table) * 100:.0f} % of the model")
    if args.json:
        args.json.write_text(json.dumps({"model": args.model.stem, "dims": values, "date": datetime.date.today().isoformat(),
                                         "onednn": version, "total_ms": total, "contractions": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
