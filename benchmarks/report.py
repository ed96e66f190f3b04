#!/usr/bin/env python3
"""What compare.py measured, as one HTML page with plots and as tables.

    report.py benchmarks/results/*.json -o report.html
    report.py benchmarks/results/*.json --markdown docs/performance.md

Needs nothing but Python. Results are grouped by processor and commit; where one comparison was repeated on
both, the later counts. The tables show the newest commit of each processor.
"""
import argparse
import html
import itertools
import json
import math
import pathlib
import random
import statistics
import sys

SCHEMA, THREADS = "tenon.compare/1", "tenon.threads/1"
CLASSES = {
    "dense": "resnet50 inception_v3 vgg16 densenet121 convnext_tiny vit_b_16 swin_t unet_small superres_x4 yolov8n_like "
             "deeplabv3_mobilenet_v3_large bert_base distilbert t5_small_encoder gpt2_small llama_135m "
             "whisper_tiny_encoder wav2vec2_base",
    "light": "mobilenet_v2 mobilenet_v3_large efficientnet_b0 squeezenet1_1 shufflenet_v2_x1_0 ultraface_rfb_320 magika_v3_3",
    "decode": "gpt2_small llama_135m whisper_tiny_decoder_with_past",
    "small": "ad_int8 kws_int8 ic_int8 vww_int8 ic_f32 vww_f32 mnist llama_tiny",
    "int8": "resnet50_int8_qdq mobilenet_v2_int8_qdq bert_base_int8_qdq",
}


class Problem(Exception):
    """A file that is not one of results."""


# ---- reading

def read(path):
    try:
        results = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Problem(f"{path}: {error}") from error
    if not isinstance(results, dict) or results.get("schema") not in (SCHEMA, THREADS):
        raise Problem(f"{path}: not of schema {SCHEMA} or {THREADS}")
    return results


def identity(row):
    return row["model"], tuple(sorted(row["dims"].items())), row["threads"], row["symbolic"], row.get("precision", "f32"), \
        "pinned" in row["peers"]


def processor(results):
    machine = results["machine"]
    return f"{machine['cpu']} ({machine['microarchitecture']})"


def grouped(files):
    """[(processor, commit, latest date, rows)], newest first."""
    groups = {}
    for results in sorted((r for r in files if r["schema"] == SCHEMA), key=lambda r: r["date"]):
        dates, rows = groups.setdefault((processor(results), results["commit"]), ([], {}))
        dates.append(results["date"])
        rows.update({identity(row): row for row in results["rows"]})
    listed = [(cpu, commit, max(dates), list(rows.values())) for (cpu, commit), (dates, rows) in groups.items()]
    return sorted(listed, key=lambda group: (group[2], group[0]), reverse=True)


def newest(groups):
    """Of each processor the newest row of what was measured: groups without rows that a later commit's replace, the processors in the order of their first ones."""
    seen, kept = {}, {}
    for cpu, commit, date, rows in groups:
        known = seen.setdefault(cpu, set())
        fresh = [row for row in rows if identity(row) not in known]
        known.update(identity(row) for row in rows)
        if fresh:
            kept.setdefault(cpu, []).append((cpu, commit, date, fresh))
    return [group for of_cpu in kept.values() for group in of_cpu]


def workers(files):
    """What two_threads.py measured: [(processor, commit, date, gain of memory, rows)], the newest of each processor."""
    latest = {}
    for results in sorted((r for r in files if r["schema"] == THREADS), key=lambda r: r["date"]):
        latest[processor(results)] = results
    return [(cpu, r["commit"], r["date"], r["bandwidth_gain"], r["rows"]) for cpu, r in sorted(latest.items())]


# ---- figures

def class_of(row):
    """dense, light, decode, small or int8; None for models that no class has."""
    name, dims = row["model"], row["dims"]
    if any(name.startswith(prefix) for prefix in CLASSES["int8"].split()):
        return "int8"
    one_step = dims.get("S") == 1 and dims.get("P", 0) > 0
    if one_step and name in CLASSES["decode"].split():
        return "decode"
    if dims.get("P", 0) > 0 and name in CLASSES["dense"].split():
        return None  # neither a first pass over a prompt nor one step
    return next((c for c in ("dense", "light", "small") if name in CLASSES[c].split()), None)


def ours(row):
    return statistics.median(row["peers"]["tenon"]["round_medians_ms"])


def rivals(row):
    """Other runtimes than Tenon, by name."""
    return {name: peer for name, peer in row["peers"].items() if name not in ("tenon", "pinned")}


def fastest(row):
    """(name, peer) of the one that is hardest to beat."""
    return max(rivals(row).items(), key=lambda item: item[1]["ratio"], default=None)


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def paired_ratios(row):
    """Of each round, our time / that of the runtime that is hardest to beat."""
    return [a / b for a, b in zip(row["peers"]["tenon"]["round_medians_ms"], fastest(row)[1]["round_medians_ms"])]


def mean_interval(members, repeats=1000):
    """95 % bootstrap interval of the geometric mean of the members' ratios: the rounds of every member are drawn again."""
    dice, rounds = random.Random(0), [paired_ratios(row) for row in members]
    means = sorted(geometric_mean([statistics.median(dice.choices(r, k=len(r))) for r in rounds]) for _ in range(repeats))
    return means[round(0.025 * (repeats - 1))], means[round(0.975 * (repeats - 1))]


def class_table(rows):
    """[(class, precision, threads, models, geometric mean, its interval, worst ratio, its model)]"""
    def key(row):
        return list(CLASSES).index(class_of(row)), row.get("precision", "f32"), row["threads"], row["symbolic"]
    table = []
    chosen = sorted((row for row in rows if class_of(row) and rivals(row)), key=key)
    for (index, precision, threads, symbolic), group in itertools.groupby(chosen, key):
        members = list(group)
        ratios = [(fastest(row)[1]["ratio"], row["model"]) for row in members]
        table.append((list(CLASSES)[index] + (", open dims" if symbolic else ""), precision, threads, len(ratios),
                      geometric_mean([r for r, _ in ratios]), mean_interval(members), *max(ratios)))
    return table


def bound_of(kernel, rates, threads):
    """What the target file says limits a kernel: "arithmetic", "memory", or None."""
    if kernel["roofline"] is None:
        return None
    peaks = (rates["gflops_f32"] * threads, rates["gops_i8"] * threads)
    near = any(kernel["gflops"] and abs(kernel["gflops"] / peak - kernel["roofline"]) <= 0.01 * kernel["roofline"] for peak in peaks)
    return "arithmetic" if near else "memory"


def bounds(row):
    """Shares of the time by bound, the roofline over all, and the kernel that loses the most; None without records."""
    if "kernels" not in row:
        return None
    record, rates = row["kernels"]["bench"], row["kernels"]["rates"]
    total = sum(k["median_ms"] for k in record["kernels"])
    if total <= 0:
        return None
    shares, least, lost, floor = {"arithmetic": 0.0, "memory": 0.0, None: 0.0}, 0.0, [], 0.0
    for kernel in record["kernels"]:
        share = kernel["median_ms"] / total
        shares[bound_of(kernel, rates, record["threads"])] += share
        if kernel["roofline"] is not None:
            attained = min(kernel["roofline"], 1.0)
            least += share * attained
            floor += kernel["roofline"] * kernel["median_ms"]
            lost.append((share * (1 - attained), kernel))
    worst = max(lost, key=lambda item: item[0], default=(0, None))[1]
    return {"arithmetic": shares["arithmetic"], "memory": shares["memory"], "unknown": shares[None], "roofline": least, "floor_ms": floor, "median_ms": record.get("median_ms", total),
            "worst": worst, "worst_share": worst["median_ms"] / total if worst else 0.0}


# ---- text

def dims_text(row):
    return ",".join(f"{k}={v}" for k, v in row["dims"].items())


def label(row):
    words = [row["model"], dims_text(row), f"{row['threads']}T"]
    if row["symbolic"]:
        words.append("open dims")
    if row.get("precision", "f32") != "f32":
        words.append(row["precision"])
    return " ".join(word for word in words if word)


def interval_text(peer):
    return f"{peer['ratio']:.3f} [{peer['interval'][0]:.3f}, {peer['interval'][1]:.3f}]"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows] + [""]


def megabytes(kilobytes):
    return f"{kilobytes / 1024:.0f}" if kilobytes else ""


def workers_table(measured):
    lines = ["## Two workers", "",
             "`tools/dev/two_threads.py`: one worker / two, medians of paired turns, and the same with a process that spins on the",
             "second processor. `roofline` is what the target file's rates allow: memory is not faster for two. `twins` is what two processes",
             "gain that share nothing: less than 2 where the machine has other guests. `quiet`, of older files, is the gain where twins gained 2; `least` the least call of one / the least of two.", ""]
    for cpu, commit, date, bandwidth, rows in measured:
        lines += [f"{cpu}, commit {commit[:12]}, {date}. Two threads read memory {bandwidth:.2f} times as fast as one.", ""]
        lines += table(["model", "one, ms", "two, ms", "gain", "twins", "quiet", "least", "roofline", "beside a busy processor, ms", "gain"],
                       [[" ".join(word for word in (row["model"], dims_text(row)) if word),
                         *(f"{statistics.median(row['round_medians_ms'][k]):.3f}" for k in ("one", "two")), f"{row['gain']:.2f}",
                         *(f"{row[k]:.2f}" if k in row else "" for k in ("twins", "quiet", "least")), "" if row["roofline"] is None else f"{row['roofline']:.2f}",
                         f"{statistics.median(row['round_medians_ms']['beside']):.3f}", f"{row['beside']:.2f}"] for row in rows])
    return lines


def markdown(groups, measured_workers=()):
    lines = ["# Performance", "",
             "Written by `benchmarks/report.py --markdown docs/performance.md` from `benchmarks/results`; not edited by hand.",
             "A ratio is our time divided by the other's, the median over rounds of paired turns, with a bootstrap 95 % interval:",
             "below 1 Tenon is faster. [benchmarks/README.md](../benchmarks/README.md) says how to repeat it.", ""]
    for cpu, commit, date, rows in newest(groups):
        lines += [f"## {cpu}", "", f"Commit {commit[:12]}, {date}.", ""]
        classes = class_table(rows)
        if classes:
            lines += ["Against the faster of the other runtimes, per class of models:", ""]
            lines += table(["class", "precision", "threads", "models", "geometric mean", "worst", "model"],
                           [[c, p, t, n, f"{mean:.3f} [{low:.3f}, {high:.3f}]", f"{worst:.3f}", model]
                            for c, p, t, n, mean, (low, high), worst, model in classes])
        names = sorted({name for row in rows for name in rivals(row)})
        measured = [row for row in rows if rivals(row)]
        if measured:
            lines += table(["model", "ours, ms", *itertools.chain(*((f"{n}, ms", "ratio") for n in names))],
                           [[label(row), f"{ours(row):.3f}",
                             *itertools.chain(*((f"{statistics.median(row['peers'][n]['round_medians_ms']):.3f}",
                                                 interval_text(row["peers"][n])) if n in row["peers"] else ("", "") for n in names))]
                            for row in measured])
        pinned = [row for row in rows if "pinned" in row["peers"]]
        if pinned:
            lines += ["Open dims against pinned ones, both ours:", ""]
            lines += table(["model", "open, ms", "ratio"],
                           [[label(row), f"{ours(row):.3f}", interval_text(row["peers"]["pinned"])] for row in pinned])
        compiled = [row for row in rows if "compile_s" in row]
        if compiled:
            lines += ["Compilation, and what a process needs to load a model and run it once:", ""]
            lines += table(["model", "compile, s", "anonymous, MB", "load and first call, ms", "resident, MB"],
                           [[label(row), f"{row['compile_s']:.2f}", megabytes(row.get("compile_anon_kb")),
                             f"{row['peers']['tenon']['load_ms'] + row['peers']['tenon']['first_ms']:.1f}",
                             megabytes(row["peers"]["tenon"]["peak_rss_kb"])] for row in compiled])
        bounded = [(row, bounds(row)) for row in rows if bounds(row)]
        if bounded:
            lines += ["What bounds each model, by the roofline of the target file: the share of its time in kernels that",
                      "arithmetic or memory limits, how much of the roofline they reach, the time of `tenon bench` / the floor (the",
                      "sum of what the roofline allows each kernel), and the kernel that loses the most:", ""]
            lines += table(["model", "arithmetic", "memory", "not known", "roofline", "floor, ms", "time / floor", "loses most"],
                           [[label(row), f"{b['arithmetic']:.0%}", f"{b['memory']:.0%}", f"{b['unknown']:.0%}", f"{b['roofline']:.0%}",
                             f"{b['floor_ms']:.4g}", f"{b['median_ms'] / b['floor_ms']:.2f}" if b["floor_ms"] > 0 else "",
                             f"`{b['worst']['name']}`: {b['worst_share']:.0%} of the time at {b['worst']['roofline']:.0%}"
                             if b["worst"] else ""] for row, b in bounded])
    if measured_workers:
        lines += workers_table(measured_workers)
    return "\n".join(lines).rstrip() + "\n"


# ---- plots

COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7d4e9e")
LEFT, WIDTH, STEP = 330, 560, 20


def svg(height, body):
    return (f'<svg viewBox="0 0 {LEFT + WIDTH + 60} {height}" width="{LEFT + WIDTH + 60}" height="{height}" '
            f'role="img">{"".join(body)}</svg>')


def text_at(x, y, words, anchor="end"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'


def legend(names):
    return "".join(f'<span style="color:{COLOURS[k % len(COLOURS)]}">&#9679; {html.escape(n)}</span> ' for k, n in enumerate(names))


def ratio_plot(rows, names):
    """A dot with its interval per model and peer, on a logarithmic axis with a line at 1."""
    values = [v for row in rows for n in names if n in row["peers"] for v in row["peers"][n]["interval"]] + [0.5, 1.1]
    low, high = math.log(min(values) / 1.05), math.log(max(values) * 1.05)

    def x(value):
        return LEFT + WIDTH * (math.log(value) - low) / (high - low)
    bottom = 30 + STEP * len(rows)
    body = []
    for tick in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20):
        if low <= math.log(tick) <= high:
            body.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="20" y2="{bottom}" class="{"one" if tick == 1 else "grid"}"/>')
            body.append(text_at(x(tick), 14, f"{tick:g}", "middle"))
    for k, row in enumerate(rows):
        y = 34 + STEP * k
        body.append(text_at(LEFT - 10, y + 4, label(row)))
        for j, name in enumerate(names):
            if name not in row["peers"]:
                continue
            peer, colour, at = row["peers"][name], COLOURS[j % len(COLOURS)], y + 5 * (j - (len(names) - 1) / 2)
            body.append(f'<g stroke="{colour}" fill="{colour}"><title>{html.escape(f"{label(row)} / {name}: {interval_text(peer)}")}</title>'
                        f'<line x1="{x(peer["interval"][0]):.1f}" x2="{x(peer["interval"][1]):.1f}" y1="{at}" y2="{at}"/>'
                        f'<circle cx="{x(peer["ratio"]):.1f}" cy="{at}" r="3.5"/></g>')
    return svg(bottom + 6, body)


def bar_plot(rows, series, unit):
    """Bars per model; series: [(name, row -> value or None)]."""
    values = [[value(row) for _, value in series] for row in rows]
    most = max((v for row in values for v in row if v is not None), default=0) or 1
    thick, body = 6, []
    step = max(STEP, thick * len(series) + 6)
    for k, row in enumerate(rows):
        y = 8 + step * k
        body.append(text_at(LEFT - 10, y + step / 2, label(row)))
        for j, value in enumerate(values[k]):
            if value is None:
                continue
            words = f"{value:.3g} {unit}"
            body.append(f'<rect x="{LEFT}" y="{y + thick * j}" height="{thick - 1}" width="{WIDTH * value / most:.1f}" '
                        f'fill="{COLOURS[j % len(COLOURS)]}"><title>{html.escape(f"{label(row)}, {series[j][0]}: {words}")}</title></rect>')
            if len(series) == 1:
                body.append(text_at(LEFT + WIDTH * value / most + 4, y + thick, words, "start"))
    return svg(12 + step * len(rows), body)


def resident(name):
    def value(row):
        return row["peers"][name]["peak_rss_kb"] / 1024 if name in row["peers"] else None
    return value


def section(group):
    cpu, commit, date, rows = group
    rows = sorted(rows, key=label)
    names = sorted({name for row in rows for name in row["peers"]} - {"tenon"})
    compiled = [row for row in rows if "compile_s" in row]
    parts = [f"<h2>{html.escape(cpu)}</h2><p>Commit <code>{html.escape(commit[:12])}</code>, {html.escape(date)}.</p>"]
    classes = class_table(rows)
    if classes:
        parts.append("<table><tr><th>class<th>precision<th>threads<th>models<th>geometric mean<th>worst<th>model</tr>" + "".join(
            f"<tr><td>{c}<td>{html.escape(p)}<td>{t}<td>{n}<td>{mean:.3f} [{low:.3f}, {high:.3f}]<td>{worst:.3f}<td>{html.escape(model)}</tr>"
            for c, p, t, n, mean, (low, high), worst, model in classes) + "</table>")
    parts.append(f"<h3>Our time / theirs</h3><p>{legend(names)} Left of 1.0 Tenon is faster; bars are 95 % intervals.</p>")
    parts.append(ratio_plot(rows, names))
    if compiled:
        parts.append("<h3>Compile seconds</h3>" + bar_plot(compiled, [("compile", lambda row: row["compile_s"])], "s"))
        anonymous = [("anonymous", lambda row: row["compile_anon_kb"] / 1024 if row.get("compile_anon_kb") else None)]
        if any("compile_anon_kb" in row for row in compiled):
            parts.append("<h3>Peak anonymous memory of the compiler, MB</h3>" + bar_plot(compiled, anonymous, "MB"))
    everyone = ["tenon", *names]
    parts.append(f"<h3>Peak resident memory of a process that runs the model, MB</h3><p>{legend(everyone)}</p>")
    parts.append(bar_plot(rows, [(name, resident(name)) for name in everyone], "MB"))
    return "".join(parts)


def page(groups):
    return ("<!doctype html><html lang=en><meta charset=utf-8><title>Tenon beside other runtimes</title><style>"
            "body{font:15px/1.5 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}svg text{font-size:11px}"
            ".grid{stroke:#ddd}.one{stroke:#000}table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left}"
            "tr{border-bottom:1px solid #ddd}</style><h1>Tenon beside other runtimes</h1>"
            + "".join(map(section, groups)) + "</html>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=pathlib.Path)
    parser.add_argument("-o", "--output", type=pathlib.Path, help="the HTML page")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    if not options.output and not options.markdown:
        parser.error("say what to write: -o FILE.html or --markdown FILE.md")
    try:
        files = [read(path) for path in options.results]
        groups = grouped(files)
    except Problem as problem:
        sys.exit(f"report.py: {problem}")
    if options.output:
        options.output.write_text(page(groups))
    if options.markdown:
        options.markdown.write_text(markdown(groups, workers(files)))


if __name__ == "__main__":
    main()
