#!/usr/bin/env python3
"""benchmarks/report.py on results made here.

    report_test.py ROOT
"""
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(sys.argv[1]).resolve()
sys.path.insert(0, str(ROOT / "benchmarks"))
import report  # noqa: E402


def peer(ms, ratio=None):
    made = {"load_ms": 3.0, "first_ms": 2.0, "peak_rss_kb": 51200, "version": "1", "round_medians_ms": [ms, ms, ms]}
    return made | ({"ratio": ratio, "interval": [ratio * 0.9, ratio * 1.1], "difference": 1e-6} if ratio else {})


def row(model, ratios, dims=None, **more):
    peers = {"tenon": peer(1.0)} | {name: peer(1 / ratio, ratio) for name, ratio in ratios.items()}
    return {"model": model, "dims": dims or {"N": 1}, "threads": 1, "symbolic": False, "compile_s": 1.5,
            "compile_anon_kb": 102400, "peers": peers} | more


def results(rows, commit="c" * 40, date="2026-01-02T03:04Z", cpu="A <CPU> & more"):
    return {"schema": "tenon.compare/1", "commit": commit, "date": date, "rows": rows,
            "machine": {"cpu": cpu, "microarchitecture": "znver9", "family": "1", "features": [], "cores": 2}}


RATES = {"gflops_f32": 100.0, "gops_i8": 400.0}
KERNELS = {"bench": {"threads": 1, "kernels": [
    {"name": "conv", "median_ms": 6.0, "gflops": 90.0, "gb_per_s": 1.0, "roofline": 0.9},
    {"name": "dot8", "median_ms": 1.0, "gflops": 200.0, "gb_per_s": 1.0, "roofline": 0.5},
    {"name": "add", "median_ms": 2.0, "gflops": None, "gb_per_s": 10.0, "roofline": 0.25},
    {"name": "sort", "median_ms": 1.0, "gflops": None, "gb_per_s": None, "roofline": None}]}, "rates": RATES}


class Figures(unittest.TestCase):
    def test_the_ratio_is_that_to_the_faster_peer(self):
        (name, other) = report.fastest(row("resnet50", {"onnxruntime": 0.5, "openvino": 0.8}))
        self.assertEqual((name, other["ratio"]), ("openvino", 0.8))

    def test_classes_depend_on_the_model_and_its_dims(self):
        for model, dims, wanted in [("resnet50", {}, "dense"), ("gpt2_small", {"S": 128, "P": 0}, "dense"),
                                    ("gpt2_small", {"S": 1, "P": 512}, "decode"), ("gpt2_small", {"S": 3, "P": 6}, None),
                                    ("mobilenet_v2", {}, "light"), ("mobilenet_v2_int8_qdq_u8s8", {}, "int8"),
                                    ("llama_tiny", {"S": 1, "P": 64}, "small"), ("my_own", {}, None)]:
            self.assertEqual(report.class_of({"model": model, "dims": dims}), wanted, (model, dims))

    def test_means_are_geometric(self):
        table = report.class_table([row("resnet50", {"onnxruntime": 0.5}), row("vgg16", {"onnxruntime": 2.0}),
                                    row("mnist", {"onnxruntime": 0.3}), row("my_own", {"onnxruntime": 9.0})])
        (dense, small) = table
        self.assertEqual(dense[:4], ("dense", "f32", 1, 2))
        self.assertTrue(math.isclose(dense[4], 1.0))
        self.assertEqual(dense[6:], (2.0, "vgg16"))
        self.assertEqual(small[:4], ("small", "f32", 1, 1))

    def test_the_interval_of_a_mean_comes_from_the_rounds(self):
        steady, noisy = row("resnet50", {"onnxruntime": 0.5}), row("vgg16", {"onnxruntime": 0.5})
        noisy["peers"]["tenon"]["round_medians_ms"] = [0.9, 1.0, 1.1]
        self.assertEqual(report.mean_interval([steady, steady]), (0.5, 0.5))
        low, high = report.mean_interval([steady, noisy])
        self.assertTrue(math.isclose(low, 0.5 * 0.9 ** 0.5) and math.isclose(high, 0.5 * 1.1 ** 0.5), (low, high))

    def test_later_results_of_a_commit_replace_earlier_ones(self):
        old = results([row("mnist", {"onnxruntime": 0.7}), row("kws_int8", {"onnxruntime": 0.6})])
        new = results([row("mnist", {"onnxruntime": 0.2})], date="2026-01-03T00:00Z")
        ((_, _, date, rows),) = report.grouped([new, old])
        self.assertEqual(date, "2026-01-03T00:00Z")
        self.assertEqual({r["model"]: report.fastest(r)[1]["ratio"] for r in rows}, {"mnist": 0.2, "kws_int8": 0.6})

    def test_tables_show_the_newest_commit(self):
        groups = report.grouped([results([row("mnist", {"onnxruntime": 0.7})]),
                                 results([row("mnist", {"onnxruntime": 0.2})], commit="d" * 40, date="2026-02-01T00:00Z")])
        self.assertEqual([g[1][0] for g in groups], ["d", "c"])
        self.assertEqual([g[1][0] for g in report.newest(groups)], ["d"])
        # What only the older one measured stays, under its own commit.
        groups = report.grouped([results([row("mnist", {"onnxruntime": 0.7}), row("kws_int8", {"onnxruntime": 0.6})]),
                                 results([row("mnist", {"onnxruntime": 0.2})], commit="d" * 40, date="2026-02-01T00:00Z")])
        self.assertEqual([(g[1][0], [r["model"] for r in g[3]]) for g in report.newest(groups)], [("d", ["mnist"]), ("c", ["kws_int8"])])

    def test_kernels_say_what_bounds_a_model(self):
        bounds = report.bounds(row("mnist", {}, kernels=KERNELS))
        self.assertAlmostEqual(bounds["arithmetic"], 0.7)
        self.assertAlmostEqual(bounds["memory"], 0.2)
        self.assertAlmostEqual(bounds["unknown"], 0.1)
        self.assertAlmostEqual(bounds["roofline"], 0.6 * 0.9 + 0.1 * 0.5 + 0.2 * 0.25)
        self.assertEqual(bounds["worst"]["name"], "add")
        self.assertIsNone(report.bounds(row("mnist", {})))


class Program(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def run_report(self, *words):
        return subprocess.run([sys.executable, ROOT / "benchmarks/report.py", *words], capture_output=True, text=True)

    def write(self, name, contents):
        path = self.root / name
        path.write_text(contents if isinstance(contents, str) else json.dumps(contents))
        return path

    def test_page_and_tables(self):
        path = self.write("r.json", results([
            row("resnet50", {"onnxruntime": 0.5, "openvino": 0.8}, kernels=KERNELS), row("mnist", {"onnxruntime": 0.25}, threads=2),
            row("bert_base", {"pinned": 1.05}, {"B": 1, "S": 128}, symbolic=True)]))
        page, tables = self.root / "page.html", self.root / "tables.md"
        done = self.run_report(path, "-o", page, "--markdown", tables)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        text = page.read_text()
        self.assertIn("A &lt;CPU&gt; &amp; more", text)
        self.assertNotRegex(text, r"""(src|href)=|@import|url\(""")  # self-contained
        plots = re.findall(r"<svg.*?</svg>", text)
        self.assertEqual(len(plots), 4)
        for plot in plots:
            xml.etree.ElementTree.fromstring(plot)
        self.assertEqual(plots[0].count("<circle"), 4)
        self.assertEqual(plots[0].count('class="one"'), 1)
        text = tables.read_text()
        for line in ["| dense | f32 | 1 | 1 | 0.800 [0.800, 0.800] | 0.800 | resnet50 |",
                     "| resnet50 N=1 1T | 1.000 | 2.000 | 0.500 [0.450, 0.550] | 1.250 | 0.800 [0.720, 0.880] |",
                     "| mnist N=1 2T | 1.000 | 4.000 | 0.250 [0.225, 0.275] |  |  |",
                     "| bert_base B=1,S=128 1T open dims | 1.000 | 1.050 [0.945, 1.155] |",
                     "| resnet50 N=1 1T | 1.50 | 100 | 5.0 | 50 |",
                     "| resnet50 N=1 1T | 70% | 20% | 10% | 64% | 6.4 | 1.56 | `add`: 20% of the time at 25% |"]:
            self.assertIn(line + "\n", text)

    def test_two_workers(self):
        path = self.write("r.json", results([row("mnist", {"onnxruntime": 0.25})]))
        measured = {"model": "mnist", "dims": {"N": 1}, "gain": 1.8, "beside": 0.95, "roofline": 2.0,
                    "round_medians_ms": {"one": [2.0, 2.0], "two": [1.1, 1.2], "beside": [2.1, 2.1]}}
        beside_twins = measured | {"model": "digits", "twins": 1.9, "least": 1.95}
        threads = self.write("t.json", results([measured, beside_twins]) | {"schema": "tenon.threads/1", "bandwidth_gain": 1.3})
        older = self.write("o.json", results([measured | {"gain": 1.1}], date="2025-01-01T00:00Z") | {"schema": "tenon.threads/1", "bandwidth_gain": 1.4})
        done = self.run_report(threads, older, path, "--markdown", self.root / "tables.md")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        text = (self.root / "tables.md").read_text()
        self.assertIn("| mnist N=1 | 2.000 | 1.150 | 1.80 |  |  |  | 2.00 | 2.100 | 0.95 |\n", text)  # of an earlier release
        self.assertIn("| digits N=1 | 2.000 | 1.150 | 1.80 | 1.90 |  | 1.95 | 2.00 | 2.100 | 0.95 |\n", text)
        self.assertNotIn("1.10", text)

    def test_other_files_are_refused(self):
        for name, contents in [("a.json", "{"), ("b.json", {"schema": "tenon.compare/9"}), ("c.json", [])]:
            done = self.run_report(self.write(name, contents), "-o", self.root / "page.html")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(name, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
        self.assertFalse((self.root / "page.html").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
