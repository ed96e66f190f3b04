#!/usr/bin/env python3
"""Checks the documentation against the sources: the knob table, the packages, the links between pages.

    check_docs.py ROOT [--write]     --write renews the knob table
"""
import pathlib
import re
import sys

BEGIN, END = "<!-- knobs: written by tests/check_docs.py --write -->\n", "<!-- end of knobs -->\n"


def knob_table(root):
    rows = re.findall(r'^KNOB\((\w+), (-?\d+), "([^"]*)"\)', (root / "include/tenon/knobs.def").read_text(), re.MULTILINE)
    lines = ["| knob | default | meaning |", "|---|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in rows]) + "\n"


def check_knobs(root, write):
    page = root / "docs/plan.md"
    text = page.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    wanted = before + BEGIN + knob_table(root) + END + after
    if write:
        page.write_text(wanted)
    elif text != wanted:
        yield "docs/plan.md: the knob table is not that of knobs.def: tests/check_docs.py ROOT --write"


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
    problems = [*check_knobs(root, "--write" in sys.argv), *check_packages(root), *check_links(root)]
    print("\n".join(problems) or "the documentation fits the sources")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
