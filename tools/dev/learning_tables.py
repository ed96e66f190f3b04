#!/usr/bin/env python3
"""Writes the table of policies in docs/learning.md from the records of `tenon evaluate-policy --json`.

    learning_tables.py docs/learning.md RECORDS...             one record per line; - reads stdin
    learning_tables.py docs/learning.md RECORDS... --check     fails where the table is another
"""
import argparse
import json
import pathlib
import sys

SCHEMA = "tenon.policy_evaluation/1"
BEGIN, END = "<!-- policies: begin -->", "<!-- policies: end -->"


class Problem(Exception):
    """A file that is not one of records."""


def read(name):
    text = sys.stdin.read() if name == "-" else pathlib.Path(name).read_text()
    records = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not records or any(r.get("schema") != SCHEMA for r in records):
        raise Problem(f"{name}: records of `tenon evaluate-policy --json` are wanted, of schema {SCHEMA}")
    return records


def percent(gain):
    """Of a ratio of times and its interval; the sign says who gains."""
    if gain is None:
        return "-"
    value, low, high = (100 * (gain[key] - 1) for key in ("value", "low", "high"))
    return f"{value:+.2f} % [{low:+.2f}, {high:+.2f}]"


def figures(record):
    lines = ["| budget | models | by | beam than rules | rl than rules | rl than beam |", "|---|---|---|---|---|---|"]
    for f in record["figures"]:
        kinds = [("predicted", "")] + ([("measured", "measured_")] if f["measured_rl_over_beam"] else [])
        for name, prefix in kinds:
            lines.append(f"| {f['budget']} | {f['models']} | {name} | " + " | ".join(percent(f[prefix + key]) for key in ("beam", "rl", "rl_over_beam")) + " |")
    return lines


def trials(record):
    lines = ["| model | family | budget | beam | rl |", "|---|---|---|---|---|"]
    for t in record["trials"]:
        def cell(found):
            text = f"{100 * (t['rules_seconds'] / found['seconds'] - 1):+.2f} %"
            return text if found["measured"] is None else f"{text}, {100 * (1 / found['measured'] - 1):+.2f} % measured"
        lines.append(f"| {t['model']} | {t['family']} | {t['budget']} | {cell(t['beam'])} | {cell(t['rl'])} |")
    return lines


def section(records):
    text = []
    for r in records:
        by = "the roofline prior" if r["predicted_by"] == "roofline" else f"cost model {r['predicted_by'][:16]}"
        verdict = "rl beats beam by 3 % at every budget and may join `hybrid`" if r["joins_hybrid"] else "rl does not beat beam by 3 % at every budget: it stays out of `hybrid`"
        text += [f"Target {r['target']}, times predicted by {by}; faster than the other by the geometric mean over models, with 95 % intervals. **{verdict}.**", "", *figures(r), "",
                 "Each model, faster than the rules' plan:", "", *trials(r), ""]
    return "\n".join(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("records", nargs="+")
    parser.add_argument("--check", action="store_true")
    a = parser.parse_args()
    page = a.page.read_text()
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise Problem(f"{a.page}: there is no place for the table: {BEGIN} ... {END}")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    made = f"{before}{BEGIN}\n{section([r for name in a.records for r in read(name)])}{END}{after}"
    if a.check:
        return 0 if made == page else 1
    a.page.write_text(made)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Problem as problem:
        sys.exit(str(problem))
