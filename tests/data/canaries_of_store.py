#!/usr/bin/env python3
"""Residuals of a telemetry store's canaries, as record_canaries.cpp writes them: how canary_residuals_N.txt were made.

    canaries_of_store.py STORE > tests/data/canary_residuals_2.txt

Of all searches in the store, in the order of their times: a column per canary, each the least of five sets; the rest of fewer than five is left out.
"""
import contextlib
import math
import sqlite3
import statistics
import sys

SETS, UNIT = 5, 1e-4

with contextlib.closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)) as store:
    rows = store.execute("select name, seconds from canary order by timestamp").fetchall()
    sessions, begin, end = store.execute("select count(distinct session), min(timestamp), max(timestamp) from canary").fetchone()
    cpus = store.execute("select distinct microarchitecture from device").fetchall()
seconds = {}
for name, time in rows:
    seconds.setdefault(name, []).append(time)
sets = min(map(len, seconds.values()))
least = {name: [min(times[k:k + SETS]) for k in range(0, sets - SETS + 1, SETS)] for name, times in sorted(seconds.items())}
middle = {name: statistics.median(times) for name, times in least.items()}
print("# Residuals of the canaries of `tenon tune`, one column each: 10000 ln(seconds / the column's median), each the least of five sets.")
print(f"# {sets} sets in {(end - begin) * 1e-6:.0f} s on {', '.join(cpu for cpu, in cpus)}, of {sessions} searches; written by tests/data/canaries_of_store.py.")
print("#", *(f"{name} {middle[name] * 1e6:.1f} us" for name in least))
for k in range(sets // SETS):
    print(*(round(math.log(least[name][k] / middle[name]) / UNIT) for name in least))
