#!/usr/bin/env python3
"""Fails on an include that points upward: docs/architecture.md, "The way data flows".

    check_layers.py ROOT
"""
import pathlib
import re
import sys

# Each library: its folder, the headers in include/tenon that belong to it, and the libraries it may see.
LIBRARIES = {
    "support": ("src/support", "result diagnostics dtype dtypes hash ids median narrow_float toml_section", ""),
    "ir": ("src/ir", "expr scalar_ops layout graph ops_list attrs tensor region loops plan knobs winograd onednn_words short_functions region_key", "support"),
    "ops": ("src/ops", "ops points provider lay_out", "ir support"),
    "target": ("src/target", "target", "support"),
    "telemetry": ("src/telemetry", "telemetry telemetry_fields", "target support"),
    "onnx": ("src/onnx", "frontend", "ops ir support"),
    "passes": ("passes", "passes", "ops ir target support"),
    "cost_model": ("cost_model", "policy decisions space trees tree_code tree_scorer contributions features", "ops ir target support"),
    "policy": ("src/policy", "workload candidates judge policies differences alternatives model_scorer plan_times beam q_policy", "cost_model ops ir target support"),
    "backends": ("backends", "backend runtime", "ir target support"),
    "driver": ("src/driver", "driver emit tune probes counterfactuals", "telemetry onnx passes policy cost_model backends ops ir target support"),
    "learn": ("src/learn", "learn evaluate nearest fitted_q policy_trials", "telemetry policy cost_model ops ir target support"),
    "tools": ("tools", "", "telemetry learn driver onnx passes policy cost_model backends ops ir target support"),
}
# Headers outside include/tenon that others may see: the artifact's side of the ABI, which is C.
SHARED = ("include/", "backends/runtime/")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def header_owner(name, includer):
    """The library of include/tenon/NAME; ops.def, the list of core ops, is part of the graph."""
    stem, _, suffix = name.partition(".")
    if name == "ops.def":
        stem = "ops_list"
    for library, (_, headers, _) in LIBRARIES.items():
        if stem in headers.split():
            return library
    sys.exit(f"{includer}: include/tenon/{name} belongs to no library: add it to {__file__}")


def file_owner(path, root):
    relative = path.relative_to(root).as_posix()
    for library, (folder, _, _) in LIBRARIES.items():
        if relative.startswith(folder + "/"):
            return library
    if relative.startswith("include/tenon/"):
        return header_owner(path.name, relative)
    return None


def included(text, path, root):
    """Files of the repository that a source includes; generated files are of its own library."""
    for name in INCLUDE.findall(text):
        for base in (path.parent, root / "include", root / "backends", root):
            if (base / name).is_file():
                yield name, (base / name).resolve()
                break


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    folders = ["include", "src", "passes", "backends", "cost_model", "tools"]
    sources = [p for f in folders for p in (root / f).rglob("*") if p.suffix in (".h", ".cpp", ".c", ".def")]
    bad = 0
    for path in sorted(sources):
        owner = file_owner(path, root)
        allowed = LIBRARIES[owner][2].split() + [owner]
        for name, target in included(path.read_text(), path, root):
            other = file_owner(target, root)
            private = not target.relative_to(root).as_posix().startswith(SHARED)
            if other not in allowed or (private and other != owner):
                print(f"{path.relative_to(root)}: includes {name} of {other}; {owner} may see {allowed}")
                bad += 1
    print(f"{len(sources)} files checked, {bad} upward or private includes")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
