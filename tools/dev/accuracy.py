#!/usr/bin/env python3
"""The table model x target x binding x error: ours and ONNX Runtime's against the same float64 reference.

    accuracy.py TENON --shared DIR --zoo DIR --cache DIR [--models NAME...] [--targets T...] [--layers T...]
                [--table FILE.md] [--jobs N] [--summary]

--shared holds models/ and zoo/ (skeletons, sidecars, make_inputs.py); --zoo the models that its fill_weights.py
made. One symbolic artifact per model and target serves every binding of the sidecar's `tests`. Reference outputs,
ONNX Runtime's outputs and finished rows are kept in --cache, so that a run goes on where the last one stopped; a
row is computed anew when the artifact's build id changes. Errors are pooled over --samples inputs, ours and ONNX
Runtime's alike. Needs numpy and onnxruntime. Rules: docs/accuracy.md.
"""
import argparse
import concurrent.futures
import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np

SHARED = {  # model: (path, bindings)
    "ad_int8": ("mlperf_tiny/ad_int8", [{}]),
    "ic_f32": ("mlperf_tiny/ic_f32", [{}]),
    "ic_int8": ("mlperf_tiny/ic_int8", [{}]),
    "kws_int8": ("mlperf_tiny/kws_int8", [{}]),
    "vww_f32": ("mlperf_tiny/vww_f32", [{}]),
    "vww_int8": ("mlperf_tiny/vww_int8", [{}]),
    "magika": ("text/magika_v3_3", [{"unk__214": 1}, {"unk__214": 3}, {"unk__214": 2, "ids": 2}]),
    "mnist": ("vision/mnist", [{}]),
    "ultraface": ("vision/ultraface_rfb_320", [{}]),
}
ZOO = """resnet18 resnet50 mobilenet_v2 mobilenet_v3_large efficientnet_b0 densenet121 inception_v3 squeezenet1_1
shufflenet_v2_x1_0 vgg16 convnext_tiny vit_b_16 swin_t unet_small unet_small_dynamo superres_x4 yolov8n_like
deeplabv3_mobilenet_v3_large bert_base bert_base_dynamo distilbert t5_small_encoder t5_small_decoder gpt2_small
llama_135m llama_tiny llama_tiny_dynamo llama_tiny_opset23 whisper_tiny_encoder whisper_tiny_decoder
whisper_tiny_decoder_with_past wav2vec2_base resnet50_int8_qdq_u8s8 resnet50_int8_qdq_s8s8
mobilenet_v2_int8_qdq_u8s8 mobilenet_v2_int8_qdq_s8s8""".split()
FLOAT_FACTOR, INT8_FACTOR, EQUAL = 2.0, 1.2, 0.999


def text(binding):
    return ",".join(f"{k}={v}" for k, v in binding.items()) or "-"


class Model:
    def __init__(self, name, shared, zoo):
        self.name, self.int8 = name, "int8" in name
        if name in SHARED:
            path, self.bindings = SHARED[name]
            self.path, self.side = shared / "models" / (path + ".onnx"), None
            return
        self.path = zoo / (name + ".onnx")
        self.side = json.loads((shared / "zoo" / (name + ".json")).read_text())
        self.bindings = self.side["tests"]
        # A past of no tokens is a binding of its own where the model has one.
        if "P" in self.bindings[0] and all(b["P"] for b in self.bindings):
            self.bindings = self.bindings + [{**self.bindings[0], "P": 0}]
        spec = importlib.util.spec_from_file_location("make_inputs", shared / "zoo" / "make_inputs.py")
        self.maker = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.maker)

    def dims(self, binding):
        return [f"{k}={v}" for k, v in binding.items() if k != "ids"]

    def inputs(self, binding, session, seed):
        if self.side:
            return self.maker.inputs(self.side, binding, seed)
        rng, made = np.random.default_rng(seed), {}
        for port in session.get_inputs():
            shape = [binding.get(d, d) for d in port.shape]
            if port.type == "tensor(int32)":  # magika's bytes and its padding token, or ids of two kinds only
                made[port.name] = rng.integers(0, binding.get("ids", 257), shape).astype(np.int32)
            else:
                made[port.name] = rng.uniform(0, 1, shape).astype(np.float32)
        return made


class Bench:
    def __init__(self, args):
        self.args, self.cache = args, args.cache.resolve()

    def results(self, model):
        """The finished rows of a model: {"model|target|binding": row}."""
        file = self.cache / model.name / "results.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def tenon(self, *words):
        done = subprocess.run([str(self.args.tenon), *map(str, words)], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def keep(self, model, results):
        partial = self.cache / model.name / "results.part"
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(results, indent=1, sort_keys=True))
        partial.replace(partial.with_suffix(".json"))

    def artifact(self, model, target):
        """Compiled anew each time: (folder, build id), or an error text."""
        folder = self.cache / "artifacts" / f"{model.name}.{target}"
        shutil.rmtree(folder, ignore_errors=True)
        code, _, err = self.tenon("compile", model.path, "--target", target, "--weights", "file", "--jobs", 1, "-o", folder)
        if code:
            return None, err.strip().splitlines()[0]
        return folder, json.loads((folder / "manifest.json").read_text())["build_id"]

    def place(self, model, binding, seed):
        return self.cache / model.name / (text(binding) + (f"@{seed}" if seed else ""))

    def prepare(self, model, binding):
        """Inputs and ONNX Runtime's outputs, once."""
        places = [self.place(model, binding, seed) for seed in range(self.args.samples)]
        if all((place / "ort" / "done").exists() for place in places):
            return
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(model.path), options, providers=["CPUExecutionProvider"])
        for seed, place in enumerate(places):
            inputs = model.inputs(binding, session, seed)
            (place / "ort").mkdir(parents=True, exist_ok=True)
            np.savez(place / "inputs.npz", **inputs)
            for port, value in zip(session.get_outputs(), session.run(None, inputs)):
                np.save(place / "ort" / (port.name.replace("/", "_") + ".npy"), value)
            (place / "ort" / "done").touch()

    def verify(self, model, folder, binding, place, layers, reference):
        words = ["verify", model.path, folder, "--input", place / "inputs.npz", "--message-format", "json"]
        words += [w for d in model.dims(binding) for w in ("--dim", d)]
        words += ["--layers"] if layers else []
        words += ["--reference", reference] if reference else []
        _, out, err = self.tenon(*words)
        for line in out.splitlines():
            record = json.loads(line)
            if record["schema"] == "tenon.verify/1":
                return record
        raise RuntimeError((out + err).strip().splitlines()[0] if out + err else "verify printed nothing")

    def sample(self, model, target, folder, binding, layers, seed):
        place = self.place(model, binding, seed)
        exact = place / "reference"
        row = {}
        need = not (exact / "done").exists()
        if need or layers:
            record = self.verify(model, folder, binding, place, layers, exact if need else None)
            (exact / "done").touch()
            if layers:
                row["layers"] = {**summary_of_layers(record["layers"]), "islands": len(record["islands"])}
        out = place / "ours" / target
        shutil.rmtree(out, ignore_errors=True)
        dims = [w for d in model.dims(binding) for w in ("--dim", d)]
        code, _, err = self.tenon("run", folder, "--input", place / "inputs.npz", *dims, "-o", out)
        if code:
            raise RuntimeError(err.strip().splitlines()[0])
        row["outputs"] = [errors(f.stem, np.load(f), np.load(out / f.name), np.load(place / "ort" / f.name))
                          for f in sorted(exact.glob("*.npy"))]
        shutil.rmtree(out)
        return row

    def row(self, model, target, folder, binding, layers, known):
        """Errors of every input pooled: the roots of the mean squares of their rms and of their largest errors."""
        self.prepare(model, binding)
        judged = known.get("layers")  # of the same artifact
        row, *more = (self.sample(model, target, folder, binding, layers and not judged and seed == 0, seed)
                      for seed in range(self.args.samples))
        for k, o in enumerate(row["outputs"]):
            wrong = [m["outputs"][k]["error"] for m in [row, *more] if "error" in m["outputs"][k]]
            if wrong:
                row["outputs"][k] = {"name": o["name"], "error": wrong[0]}
                continue
            for who in ("ours", "ort"):
                each = [o[who]] + [m["outputs"][k][who] for m in more]
                o[who] = [float(e) for e in np.sqrt(np.mean(np.square(each), axis=0))]
        row.update({"layers": judged} if judged else {}, samples=self.args.samples, pooled="rms")
        return row

    def run(self, name):
        model = Model(name, self.args.shared, self.args.zoo)
        results = self.results(model)
        for target in self.args.targets:
            folder, id_or_error = self.artifact(model, target)
            for binding in model.bindings:
                key = f"{model.name}|{target}|{text(binding)}"
                layers = target in self.args.layers
                known = results.get(key, {})
                if known.get("id") == id_or_error and known.get("samples") == self.args.samples and known.get("pooled") == "rms" and not problems(model, known) and ("layers" in known or not layers):
                    print(f"{key}: as before, {verdict(model, known)}", flush=True)
                    continue
                start = time.time()
                try:
                    if folder is None:
                        raise RuntimeError(id_or_error)
                    row = self.row(model, target, folder, binding, layers, known if known.get("id") == id_or_error else {})
                except Exception as error:  # one row must not end the table
                    row = {"error": f"{type(error).__name__}: {error}"}
                row.update(id=id_or_error, seconds=round(time.time() - start, 1))
                results[key] = row
                self.keep(model, results)
                print(f"{key}: {verdict(model, row)} in {row['seconds']} s", flush=True)
            if folder:
                shutil.rmtree(folder)


def errors(name, exact, ours, ort):
    """rms and largest error of both; a pair of equal infinities or NaNs is no error."""
    row = {"name": name}
    for who, got in (("ours", ours), ("ort", ort)):
        if got.shape != exact.shape:
            return {"name": name, "error": f"{who} has shape {got.shape}, the reference {exact.shape}"}
        with np.errstate(invalid="ignore"):
            wide = got.astype(np.float64)
            diff = np.abs(wide - exact)
        diff[(wide == exact) | (np.isnan(wide) & np.isnan(exact))] = 0
        diff[np.isnan(diff)] = np.inf
        row[who] = [float(np.sqrt(np.mean(diff**2))) if diff.size else 0.0, float(diff.max(initial=0))]
    row["size"] = float(np.sqrt(np.mean(np.square(exact, where=np.isfinite(exact), out=np.zeros(exact.shape))))) if exact.size else 0.0
    return row


def summary_of_layers(layers):
    quantised = [l for l in layers if l["type"] in ("u8", "i8")]
    return {
        "count": len(layers),
        "outside": [l["name"] for l in layers if not l["within"]],
        "ratio": max((l["ratio"] for l in layers if l["ratio"] is not None), default=0),
        "nearest": max(layers, key=lambda l: l["ratio"] if l["ratio"] is not None else 1e99)["name"] if layers else "",
        "quantised": len(quantised),
        "least_equal": min((1 - l["different"] / max(l["count"], 1) for l in quantised), default=1),
        "most_off": max((l["max_abs"] for l in quantised), default=0),
    }


def factor(model):
    return INT8_FACTOR if model.int8 else FLOAT_FACTOR


def ratio(a, b):
    return 0.0 if a == 0 else float("inf") if b == 0 else a / b


def worst(row):
    """(rms, max) of ours over ONNX Runtime's, at the output where either is largest."""
    pairs = [(ratio(o["ours"][0], o["ort"][0]), ratio(o["ours"][1], o["ort"][1])) for o in row["outputs"] if "error" not in o]
    return max(pairs, key=max, default=(0.0, 0.0))


def problems(model, row):
    if "error" in row:
        return [row["error"]]
    found = [f"{o['name']}: {o['error']}" for o in row["outputs"] if "error" in o]
    rms, largest = worst(row)
    if (rms if model.int8 else max(rms, largest)) > factor(model):
        found.append(f"rms {rms:.2f}, max {largest:.2f} of ONNX Runtime's")
    layers = row.get("layers")
    if layers:
        if layers["outside"]:
            found.append(f"{len(layers['outside'])} regions outside: {layers['outside'][0]}")
        if layers.get("islands"):
            found.append(f"{layers['islands']} products in floats")
        if layers["least_equal"] < EQUAL:  # what differs is within its bound: above
            found.append(f"a layer is {100 * layers['least_equal']:.2f} % equal, {layers['most_off']:g} off")
    return found


def verdict(model, row):
    found = problems(model, row)
    if found:
        return "WRONG " + "; ".join(found)
    return "ok    rms {:.2f}, max {:.2f} of ONNX Runtime's".format(*worst(row))


def table(models, results, targets, samples):
    lines = ["# Accuracy of the list L", "",
             "Written by `tools/dev/accuracy.py`; [accuracy.md](accuracy.md) has the rules. Per output, errors are against",
             f"the float64 reference, pooled over {samples} inputs; shown is the output where ours is largest against ONNX",
             "Runtime's (ORT). `native` was an AVX-512 machine. Layers: regions, the nearest to its bound, quantised layers",
             "and their least equal share.", "",
             "| model | binding | target | rms ours | rms ORT | ratio rms | ratio max | layers | verdict |",
             "|---|---|---|---|---|---|---|---|---|"]
    for model in models:
        for binding in model.bindings:
            for target in targets:
                row = results.get(f"{model.name}|{target}|{text(binding)}")
                if not row:
                    continue
                found = problems(model, row)
                cells = ["", "", "", ""]
                if "outputs" in row and row["outputs"]:
                    o = max((o for o in row["outputs"] if "error" not in o), default=None,
                            key=lambda o: max(ratio(o["ours"][0], o["ort"][0]), ratio(o["ours"][1], o["ort"][1])))
                    if o:
                        cells = [f"{o['ours'][0]:.2e}", f"{o['ort'][0]:.2e}", *(f"{r:.2f}" for r in worst(row))]
                layers = row.get("layers")
                if not layers:
                    judged = ""
                elif layers["quantised"]:
                    judged = f"{layers['count']}, {100 * layers['ratio']:.0f} %; {layers['quantised']} int8, {100 * layers['least_equal']:.2f} %"
                else:
                    judged = f"{layers['count']}, {100 * layers['ratio']:.0f} %"
                lines.append("| " + " | ".join([model.name, text(binding), target, *cells, judged,
                                                "; ".join(found).replace("|", "/") or "ok"]) + " |")
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tenon", type=pathlib.Path)
    p.add_argument("--shared", type=pathlib.Path, required=True)
    p.add_argument("--zoo", type=pathlib.Path, required=True)
    p.add_argument("--cache", type=pathlib.Path, required=True)
    p.add_argument("--models", nargs="+")
    p.add_argument("--targets", nargs="+", default=["native", "x86-64-v2", "x86-64-v3"])
    p.add_argument("--layers", nargs="*", default=["native"], help="targets whose regions are judged one by one")
    p.add_argument("--samples", type=int, default=8, help="inputs whose errors are pooled")
    p.add_argument("--jobs", type=int, default=1, help="models at a time")
    p.add_argument("--table", type=pathlib.Path)
    p.add_argument("--summary", action="store_true", help="of the rows that are there; computes nothing")
    args = p.parse_args()
    args.tenon = args.tenon.resolve()
    models = [Model(name, args.shared, args.zoo) for name in args.models or [*SHARED, *ZOO]]
    bench = Bench(args)
    if not args.summary:
        with concurrent.futures.ProcessPoolExecutor(args.jobs) as pool:
            for _ in pool.map(bench.run, [model.name for model in models]):
                pass
    results = {key: row for model in models for key, row in bench.results(model).items()}
    if args.table:
        args.table.write_text(table(models, results, args.targets, args.samples))
    rows = [(m, k, results[k]) for m in models for b in m.bindings for t in args.targets
            if (k := f"{m.name}|{t}|{text(b)}") in results]
    wrong = [(k, problems(m, r)) for m, k, r in rows if problems(m, r)]
    for key, found in wrong:
        print(f"WRONG {key}: {'; '.join(found)}")
    expected = sum(len(m.bindings) for m in models) * len(args.targets)
    print(f"{len(rows) - len(wrong)} of {expected} rows right, {len(wrong)} wrong, {expected - len(rows)} missing")
    return 0 if len(rows) - len(wrong) == expected else 1


if __name__ == "__main__":
    sys.exit(main())
