#!/usr/bin/env python3
"""A sample of tools/dev/reproducible.py: models of ours, and one beside the repository where that is there.

    reproducible_test.py TENON ROOT        77: the program is not built
"""
import os
import pathlib
import subprocess
import sys

TENON, ROOT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
if not TENON.exists():
    sys.exit(77)
tool = [sys.executable, ROOT / "tools" / "dev" / "reproducible.py", TENON]
shared = pathlib.Path(os.environ.get("TENON_SHARED", ROOT.parent / "shared"))
words = ["--models", "digits=4"]
if (shared / "models").is_dir():
    words = ["--models", "digits=4", "kws_int8=4", "--shared", shared]
elif os.environ.get("CI"):
    sys.exit(f"{shared} is not there")
else:
    print(f"kws_int8 is left out: {shared} is not there")
sys.exit(subprocess.run([*map(str, tool), *map(str, words)]).returncode)
