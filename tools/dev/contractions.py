#!/usr/bin/env python3
"""Contractions that miss their roofline, from records of `tenon bench`.

    tenon bench resnet50.onnx --target native --dim N=1 --bounds --json > resnet50.json
    contractions.py resnet50.json bert_base.json ... [--share 0.01] [--roofline 0.85] [--most 3]

Per record the kernels with a convolution or a matrix product in them that take more than --share of the time and reach less
than --roofline of what the target file's rates allow. A record of --bounds also says what the same kernel takes when it only
loads what its reductions load, and when it only multiplies and adds, both as a share of its time: the one near 100 % is what
bounds it. Exit code 1: a record has more than
--most such kernels, or one without that experiment.
"""
import argparse
import json
import pathlib
import sys

CONTRACTIONS = {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "Gemm", "MatMul", "MatMulInteger", "QLinearMatMul", "Einsum",
                "Attention", "GroupQueryAttention", "DeformConv"}
NEAR = 0.9


def bound(kernel):
    if kernel.get("loads_ms") is None:
        return "no experiment"
    shares = {"loads": kernel["loads_ms"] / kernel["median_ms"], "arithmetic": kernel["arithmetic_ms"] / kernel["median_ms"]}
    near = " and ".join(name for name, share in shares.items() if share >= NEAR)
    return f"loads {shares['loads']:4.0%}, arithmetic {shares['arithmetic']:4.0%}: {near or 'neither alone'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="+", type=pathlib.Path)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--roofline", type=float, default=0.85)
    parser.add_argument("--most", type=int, default=3)
    options = parser.parse_args()
    failed = False
    for path in options.records:
        record = json.loads(path.read_text().splitlines()[-1])
        total = sum(k["median_ms"] for k in record["kernels"])
        counted = [k for k in record["kernels"] if k["median_ms"] > options.share * total
                   and any(node["op"] in CONTRACTIONS for node in k["nodes"])]
        below = sorted((k for k in counted if (k["roofline"] or 0) < options.roofline), key=lambda k: -k["median_ms"])
        print(f"{path.stem}: {len(below)} of {len(counted)} contractions over {options.share:.0%} of the time are under {options.roofline:.0%} of the roofline")
        for k in below:
            roofline = "not known" if k["roofline"] is None else f"{k['roofline']:.0%}"
            print(f"  {k['median_ms']:9.4f} ms {k['median_ms'] / total:6.1%}  roofline {roofline:>4}  {bound(k)}  {k['name']}")
        failed |= len(below) > options.most or any(k.get("loads_ms") is None for k in below)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
