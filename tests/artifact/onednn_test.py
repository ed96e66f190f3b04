#!/usr/bin/env python3
"""Artifacts of --providers onednn: what they need, what they compute, what is refused.

    onednn_test.py TENON ROOT LIBRARY        77: oneDNN, the program or gcc is not here
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TENON, ROOT, LIBRARY = (pathlib.Path(word).resolve() for word in [*sys.argv[1:4], "missing"][:3])
MODEL = ROOT / "models" / "digits.onnx"
SONAME = "libdnnl.so.3"
HERE = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARY.parent), "OMP_NUM_THREADS": "3"}
GONE = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
IMPORTS = re.findall(r"^IMPORT\((\w+)\)", (ROOT / "backends/runtime/onednn/imports.def").read_text(), re.MULTILINE)

CPP = r"""
#include <cstring>
#include <vector>
#include "digits.hpp"
int main() {
  std::vector<float> images(4 * 64, 0.5f);
  digits::Model one, other;
  auto a = one.run(images.data()), b = other.run(images.data());
  return std::memcmp(a.probability.data(), b.probability.data(), 4 * 10 * sizeof(float)) != 0;
}
"""
PYTHON = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import digits
images = np.full((4, 1, 8, 8), 0.5, np.float32)
model = digits.Model()
first = model(image=images)["probability"]
del model
assert (digits.Model()(image=images)["probability"] == first).all()
print("right")
"""
NUMPY = subprocess.run([sys.executable, "-c", "import numpy"], capture_output=True).returncode == 0

# Another library of that name.
FAKE = """
typedef struct { int major, minor, patch; const char* hash; unsigned cpu, gpu; } version_t;
const version_t* dnnl_version(void) { static const version_t v = {MAJOR, 0, 0, "", RUNTIME, 0}; return &v; }
int dnnl_engine_create(void** engine, int kind, unsigned long index) { (void)engine, (void)kind, (void)index; return 1; }
"""


def run(*words, env=None):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=240, env=env or HERE)


def command(*words, env=None):
    done = run(*words, env=env)
    if done.returncode != 0:
        raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def compile_model(folder, *options):
    command(TENON, "compile", MODEL, "--dim", "N=4", "--emit", "so,a,o,header,schedule,loops", "-o", folder, *options)


class OneDnn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = pathlib.Path(cls.folder.name)
        cls.own, cls.made = cls.root / "own", cls.root / "made"
        compile_model(cls.own)
        compile_model(cls.made, "--providers", "onednn-everywhere")

    def manifest(self, folder):
        return json.loads((folder / "manifest.json").read_text())

    def provided(self, folder):
        return [kernel["name"] for kernel in self.manifest(folder)["kernels"] if kernel.get("provider") == "onednn"]

    def refused(self, code, *options):
        done = run(TENON, "compile", MODEL, "--dim", "N=4", "-o", self.root / "refused", *options)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(code, done.stderr)
        self.assertFalse((self.root / "refused").exists())
        return done.stderr

    def test_without_it_nothing_depends_on_it(self):
        for file in ("libdigits.so", "libdigits.a", "digits.o"):
            self.assertNotIn(" U ", command("nm", "-u", self.own / file), file)
        self.assertNotIn("NEEDED", command("readelf", "-dW", self.own / "libdigits.so"))
        self.assertNotIn("onednn", (self.own / "digits.schedule").read_text())
        self.assertNotIn("needs", self.manifest(self.own))
        self.assertNotIn("unbind", (self.own / "digits.h").read_text())
        command(TENON, "run", self.own, "-i", "random:0", env=GONE)

    def test_what_it_needs_is_exactly_this(self):
        for file in ("libdigits.so", "libdigits.a", "digits.o"):
            lines = command("nm", "-u", self.made / file).splitlines()
            names = [line.split()[1] for line in lines if re.match(r"\s+[Uw] ", line)]
            self.assertEqual(sorted(names), sorted(IMPORTS), file)
        self.assertEqual(re.findall(r"\(NEEDED\).*\[(.*)\]", command("readelf", "-dW", self.made / "libdigits.so")), [SONAME])

    def test_header_and_manifest_name_it(self):
        self.assertIn(f'#define DIGITS_NEEDS "{SONAME}"', (self.made / "digits.h").read_text())
        self.assertIn("-ldnnl", (self.made / "digits.pc").read_text())
        self.assertIn("dnnl", (self.made / "digitsConfig.cmake").read_text())
        [need] = self.manifest(self.made)["needs"]
        self.assertEqual((need["library"], need["soname"], need["link"]), ("oneDNN", SONAME, "-ldnnl"))
        self.assertEqual(len(self.provided(self.made)), 2)  # the Gemm is fused with a softmax

    def test_it_computes_the_same(self):
        self.assertIn("probability", command(TENON, "verify", MODEL, self.made, "--dim", "N=4"))
        layers = command(TENON, "verify", MODEL, "--dim", "N=4", "--providers", "onednn-everywhere", "--layers")
        self.assertIn("of its bound", layers)

    def test_an_edited_schedule_forces_it(self):
        text = (self.own / "digits.schedule").read_text()
        regions = [part for part in re.split(r"(?m)^(?=region )", text)]
        forced = [re.sub(r"(?m)^(  otherwise:)", r"  provider onednn\n\1", part, count=1) for part in regions]
        kernels, refusals = 0, 0
        for k in range(1, len(regions)):
            (self.root / "one.schedule").write_text("".join(regions[:k] + [forced[k]] + regions[k + 1:]))
            folder = self.root / f"one_{k}"
            done = run(TENON, "compile", MODEL, "--dim", "N=4", "--emit", "so,schedule", "--schedule", self.root / "one.schedule", "-o", folder)
            if done.returncode:
                self.assertIn("E0403", done.stderr)
                self.assertIn("cannot be oneDNN's", done.stderr)
                self.assertIn("remove its line `provider onednn`", done.stderr)
                refusals += 1
                continue
            self.assertEqual(len(self.provided(folder)), 1)
            self.assertEqual((folder / "digits.schedule").read_text().count("provider onednn"), 1)
            command(TENON, "verify", MODEL, folder, "--dim", "N=4")
            kernels += 1
        self.assertGreaterEqual(kernels, 1)  # the other one reads a layout with margins
        self.assertGreaterEqual(refusals, 2)

    def test_a_target_that_states_nothing_chooses_nothing(self):
        compile_model(self.root / "asked", "--providers", "onednn")
        self.assertEqual(self.provided(self.root / "asked"), [])
        self.assertEqual((self.root / "asked" / "libdigits.so").stat().st_size, (self.own / "libdigits.so").stat().st_size)

    def test_a_target_says_where_it_pays(self):
        target = (ROOT / "backends/targets/x86-64-v2.toml").read_text() + "\n[onednn]\nstem = 0.9\nspatial = 1.5\n"
        (self.root / "here.toml").write_text(target)
        compile_model(self.root / "paid", "--providers", "onednn", "--target", self.root / "here.toml")
        self.assertEqual(len(self.provided(self.root / "paid")), 1)  # the convolution of many channels

    def test_what_cannot_be_is_refused(self):
        everywhere = ("--providers", "onednn-everywhere")
        self.refused("E0601", *everywhere, "--emit", "exe")
        self.refused("E0601", *everywhere, "--cpu-dispatch", "v2,v3")
        self.refused("E0601", "--schedule", self.made / "digits.schedule", "--emit", "exe")

    def test_shapes_that_are_not_known_stay_ours(self):
        command(TENON, "compile", MODEL, "--emit", "so", "--providers", "onednn-everywhere", "-o", self.root / "symbolic")
        self.assertEqual(self.provided(self.root / "symbolic"), [])

    def test_the_library_is_missing(self):
        done = run(TENON, "run", self.made, "-i", "random:0", env=GONE)
        self.assertIn("E0501", done.stderr)
        self.assertIn(SONAME, done.stderr)

    def test_the_library_is_another(self):
        for major, runtime, said in ((2, 2, "another major version"), (3, 4, "threads of its own"), (3, 2, "oneDNN failed")):
            folder = self.root / f"fake_{major}_{runtime}"
            folder.mkdir()
            rest = [name for name in IMPORTS if name.startswith("dnnl_") and name not in ("dnnl_version", "dnnl_engine_create")]
            (folder / "fake.c").write_text(FAKE + "".join(f"int {name}(void) {{ return 1; }}\n" for name in rest))
            command("gcc", "-shared", "-fPIC", f"-DMAJOR={major}", f"-DRUNTIME={runtime}", f"-Wl,-soname,{SONAME}", folder / "fake.c", "-o", folder / SONAME)
            done = run(TENON, "run", self.made, "-i", "random:0", env={**GONE, "LD_LIBRARY_PATH": str(folder)})
            self.assertIn("E0503", done.stderr)
            self.assertIn(said, done.stderr)

    def test_from_c(self):
        source, flags = ROOT / "tests" / "artifact" / "onednn_use.c", ["-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", f"-I{self.made}"]
        outputs = []
        for name, library in (("shared", self.made / "libdigits.so"), ("static", self.made / "libdigits.a")):
            command("gcc", *flags, source, library, LIBRARY, f"-Wl,-rpath,{self.made}", f"-Wl,-rpath-link,{LIBRARY.parent}", "-o", self.root / name)
            outputs.append(command(self.root / name))
            self.assertTrue(outputs[-1].endswith("right\n"), outputs[-1])
        self.assertEqual(outputs[0], outputs[1])

    def test_cpp_wrapper(self):
        (self.root / "use.cpp").write_text(CPP)
        command("g++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{self.made}", self.root / "use.cpp", self.made / "libdigits.a",
                LIBRARY, "-o", self.root / "use")
        command(self.root / "use")

    @unittest.skipUnless(NUMPY, "NumPy is not here")
    def test_python_wrapper(self):
        self.assertEqual(command(sys.executable, "-c", PYTHON, self.made), "right\n")

    def test_foreign_targets_link(self):
        compile_model(self.root / "arm", "--providers", "onednn-everywhere", "--target", "aarch64")
        self.assertIn(SONAME, command("readelf", "-dW", self.root / "arm" / "libdigits.so"))


if __name__ == "__main__":
    if len(sys.argv) < 4 or not LIBRARY.exists() or not TENON.exists() or not shutil.which("gcc"):
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
