#!/usr/bin/env python3
"""One runtime with one model in a process of its own, for compare.py.

    worker.py '{"runtime": "tenon", "model": ..., "inputs": FILE.npz, "threads": 1, "outputs": FILE.npz}'

Loads, runs once, writes the outputs, then prints one JSON line: load_ms, first_ms, version. After that it
reads lines "SECONDS" and answers each with the milliseconds of every call it made in that time.
"""
import ctypes
import importlib.util
import json
import os
import pathlib
import resource
import sys
import time

import numpy as np


def tenon(config, inputs):
    """An artifact folder; the call is that of a C caller: structures and workspace are made once."""
    folder = pathlib.Path(config["artifact"])
    name = json.loads((folder / "manifest.json").read_text())["name"]
    spec = importlib.util.spec_from_file_location(name, folder / (name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.Model(threads=config["threads"]) if config["threads"] > 1 else module.Model()
    calls = []
    original = model._call

    def record(function, *arguments):
        if function == "run":
            calls.append(arguments)
        original(function, *arguments)

    model._call = record
    outputs = model(**inputs)  # keeps what the recorded pointers name alive, as `inputs` does
    run, arguments = model._function("run"), calls[0]
    return lambda: run(*arguments), outputs, "tenon"


def onnxruntime(config, inputs):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = config["threads"]
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(config["model"], options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_cpu_input(name, array)
    for name in names:
        binding.bind_output(name)
    session.run_with_iobinding(binding)
    outputs = dict(zip(names, binding.copy_outputs_to_cpu()))
    return lambda: session.run_with_iobinding(binding), outputs, "onnxruntime " + ort.__version__


def openvino(config, inputs):
    import openvino as ov
    core = ov.Core()
    model = core.read_model(config["model"])
    model.reshape({name: list(array.shape) for name, array in inputs.items()})
    # Without the hint OpenVINO computes in bf16 where the machine has AMX.
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": config["threads"], "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": config.get("precision", "f32"), "PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    for name, array in inputs.items():
        request.set_tensor(name, ov.Tensor(array, shared_memory=True))
    request.infer()
    outputs = {o.get_any_name(): np.array(request.get_tensor(o).data) for o in compiled.outputs}
    return request.infer, outputs, "openvino " + ov.get_version().split("-")[0]


def main():
    config = json.loads(sys.argv[1])
    os.sched_setaffinity(0, config["cpus"])
    with np.load(config["inputs"]) as file:
        inputs = {k: np.ascontiguousarray(file[k]) for k in file.files}
    start = time.perf_counter()
    call, outputs, version = globals()[config["runtime"]](config, inputs)
    load = time.perf_counter() - start
    start = time.perf_counter()
    call()
    first = time.perf_counter() - start
    np.savez(config["outputs"], **{str(i): np.asarray(outputs[k]) for i, k in enumerate(sorted(outputs))},
             names=np.array(sorted(outputs)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"load_ms": load * 1e3, "first_ms": first * 1e3, "peak_rss_kb": peak, "version": version}), flush=True)
    clock = time.perf_counter_ns
    for line in sys.stdin:
        times, end = [], clock() + int(float(line) * 1e9)
        while True:
            before = clock()
            call()
            after = clock()
            times.append((after - before) / 1e6)
            if after >= end:
                break
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
