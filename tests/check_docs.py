#!/usr/bin/env python3
"""Checks the documentation against the sources: the tables of knobs, features and telemetry, the packages, the links between pages.

    check_docs.py ROOT [--write]     --write renews the tables
"""
import pathlib
import re
import sys

GROUPS = {"A": "work", "B": "space", "C": "schedule", "D": "buffers", "E": "traffic", "F": "parallelism", "G": "device", "H": "prior"}


def knob_table(root):
    rows = re.findall(r'^KNOB\((\w+), (-?\d+), "([^"]*)"\)', (root / "include/tenon/knobs.def").read_text(), re.MULTILINE)
    lines = ["| knob | default | meaning |", "|---|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in rows]) + "\n"


TYPES = {"std::string": "text", "int64_t": "integer", "double": "real", "Status": "text", "Source": "text",
         "std::vector<float>": "f32 list", "std::vector<double>": "f64 list"}


def telemetry_tables(root):
    rows = re.findall(r'^(DEVICE|COMPILER|SESSION|RECORD|CANARY)\(([^,]+), (\w+), [^,]+, "((?:[^"\\]|\\.)*)"\)',
                      (root / "include/tenon/telemetry_fields.def").read_text(), re.MULTILINE)
    text = ""
    for table in ("RECORD", "SESSION", "COMPILER", "DEVICE", "CANARY"):
        text += f"\n| `{table.lower()}` | type | meaning |\n|---|---|---|\n"
        if table == "DEVICE":
            text += "| `fingerprint` | text | BLAKE3 of the columns below |\n"
        for owner, kind, name, meaning in rows:
            if owner == table:
                text += f"| `{name}` | {TYPES[kind]} | {meaning.replace(chr(92), '')} |\n"
    return text + "\n"


def feature_table(root):
    rows = re.findall(r'^FEATURE\((\w+), (\w), "([^"]*)", "([^"]*)"\)', (root / "cost_model/features.def").read_text(), re.MULTILINE)
    lines = ["| | feature | group | unit | what it is |", "|---|---|---|---|---|"]
    return "\n".join(lines + [f"| {k} | `{name}` | {group} {GROUPS[group]} | {unit} | {meaning} |" for k, (name, group, unit, meaning) in enumerate(rows)]) + "\n"


def check_table(root, page, name, table, source, write):
    begin, end = f"<!-- {name}: written by tests/check_docs.py --write -->\n", f"<!-- end of {name} -->\n"
    path = root / page
    text = path.read_text()
    before, rest = text.split(begin)
    wanted = before + begin + table + end + rest.split(end)[1]
    if write:
        path.write_text(wanted)
    elif text != wanted:
        yield f"{page}: the table is not that of {source}: tests/check_docs.py ROOT --write"


def check_packages(root):
    script = (root / "tools/deps.sh").read_text()
    packages = re.search(r"^packages=\(\n(.*?)^\)", script, re.MULTILINE | re.DOTALL).group(1).split()
    text = (root / "docs/dependencies.md").read_text()
    own = {"g++", "cmake", "git", "python3", "python3-pip", "python3-venv"}  # the toolchain that README names
    for package in sorted(set(packages) - own):
        words = {package, package.split("-")[0], re.sub(r"\d.*|-dev$", "", package)}
        if not any(word in text for word in words):
            yield f"docs/dependencies.md: no row for {package}, which tools/deps.sh installs"


def check_links(root):
    code = re.compile(r"^ {4}.*$|^```.*?^```", re.MULTILINE | re.DOTALL)
    for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", code.sub("", page.read_text())):
            if not (page.parent / target).exists():
                yield f"{page.relative_to(root)}: there is no {target}"


def main():
    root = pathlib.Path(sys.argv[1])
    write = "--write" in sys.argv
    problems = [*check_table(root, "docs/plan.md", "knobs", knob_table(root), "knobs.def", write),
                *check_table(root, "docs/features.md", "features", feature_table(root), "features.def", write),
                *check_table(root, "docs/telemetry.md", "telemetry", telemetry_tables(root), "telemetry_fields.def", write),
                *check_packages(root), *check_links(root)]
    print("\n".join(problems) or "the documentation fits the sources")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
