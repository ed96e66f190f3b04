#!/usr/bin/env python3
"""`--precision fast`: Winograd's transforms asked for, said in plan and manifest, measured by `verify` and judged by bounds of
their own.

    fast_test.py TENON ROOT        77: the program is not built
"""
