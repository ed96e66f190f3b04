#!/usr/bin/env python3
"""Writes tables of docs/learning.md from the records of `tenon evaluate-policy`, `evaluate-model` and `why --verify --counterfactuals`, each with --json.

    learning_tables.py docs/learning.md RECORDS...             one record per line; - reads stdin
    learning_tables.py docs/learning.md RECORDS... --check     fails where a table is another

A table stands between <!-- NAME: begin --> and <!-- NAME: end -->, NAME being policies, evaluation LEFT_OUT, or counterfactuals; tables of which there are no records stay as they are.
"""
import argparse
import json
import pathlib
import sys



class Problem(Exception):
    """A file that is not one of records."""


def read(name):
    text = sys.stdin.read() if name == "-" else pathlib.Path(name).read_text()
    records = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not records or any(r.get("schema") not in TABLES for r in records):
        raise Problem(f"{name}: records of `tenon evaluate-policy`, `evaluate-model` or `why --counterfactuals` with --json are wanted, of schemas {', '.join(TABLES)}")
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


def policies(records):
    text = []
    for r in records:
        by = "the roofline prior" if r["predicted_by"] == "roofline" else f"cost model {r['predicted_by'][:16]}"
        verdict = "rl beats beam by 3 % at every budget and may join `hybrid`" if r["joins_hybrid"] else "rl does not beat beam by 3 % at every budget: it stays out of `hybrid`"
        text += [f"Target {r['target']}, times predicted by {by}; faster than the other by the geometric mean over models, with 95 % intervals. **{verdict}.**", "", *figures(r), "",
                 "Each model, faster than the rules' plan:", "", *trials(r), ""]
    return text


METRICS = [("top1", "top-1 regret"), ("top8", "top-8 regret"), ("pairs", "pair accuracy"), ("mape", "MAPE"), ("coverage", "coverage of 90 % intervals")]


def evaluation(records):
    """What each method is worth, over all that was left out; then the method that counts, for each."""
    text = []

    def cells(methods, method):
        found = [methods[method].get(key) for key, _ in METRICS]
        return " | ".join("" if f is None else f"{100 * f['value']:.1f} % [{100 * f['low']:.1f}, {100 * f['high']:.1f}]" for f in found)

    for r in records:
        head = " | ".join(name for _, name in METRICS)
        text += [f"{r['timings']:,} timings of {r['devices']} devices, {r['seeds']} seed{'s' if r['seeds'] > 1 else ''}"
                 + (f", {r['probes']} probes of each device that is left out" if r["probes"] else "") + ".", "",
                 f"| method | {head} |", "|---" * (len(METRICS) + 1) + "|", *(f"| {method} | {cells(r['all'], method)} |" for method in r["all"]), ""]
        best = "adapted" if "adapted" in r["all"] else "model"
        text += [f"| left out | timings | of {best}: {head} |", "|---" * (len(METRICS) + 2) + "|",
                 *(f"| {split['left_out'] if r['leave'] == 'family' else split['left_out'].split()[0]} | {split['timings']} | {cells(split['methods'], best)} |" for split in r["splits"] if best in split["methods"]), ""]
    return text


def share(part, whole):
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else "none"


def counterfactuals(records):
    text = ["| target | decisions | margin over max(5 %, 2 sigma) | drawn | measured | signs that agree | where the interval is clear | times in their 90 % interval |", "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for r in records:
        text.append(f"| {r['target']} | {r['decisions']} | {r['over']} | {len(r['counterfactuals'])} | {r['measured']}, {r['disturbed']} disturbed | {share(r['signs'], r['measured'])} | "
                    f"{share(r['clear_signs'], r['clear'])} | {share(r['covered'], r['times'])} |")
    return text + [""]


# How a record of a schema is shown, and where.
TABLES = {"tenon.policy_evaluation/1": (policies, lambda r: "policies"), "tenon.evaluate/1": (evaluation, lambda r: f"evaluation {r['leave']}"),
          "tenon.counterfactuals/1": (counterfactuals, lambda r: "counterfactuals")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("records", nargs="+")
    parser.add_argument("--check", action="store_true")
    a = parser.parse_args()
    page = made = a.page.read_text()
    places = {}
    for record in (r for name in a.records for r in read(name)):
        show, place = TABLES[record["schema"]]
        places.setdefault((place(record), show), []).append(record)
    for (name, show), records in places.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if made.count(begin) != 1 or made.count(end) != 1:
            raise Problem(f"{a.page}: there is no place for the table: {begin} ... {end}")
        before, rest = made.split(begin)
        made = before + begin + "\n" + "\n".join(show(records)) + end + rest.split(end)[1]
    if a.check:
        return 0 if made == page else 1
    a.page.write_text(made)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Problem as problem:
        sys.exit(str(problem))
