#!/usr/bin/env python3
"""targets.py RESULTS.json [LATER.json] - every row with a target, of what `muster-bench --json` printed, as Markdown.

    bench/targets.py bench/results/latest.json bench/results/later.json >bench/results/TARGETS.md

Scenarios that LATER.json has, too, are taken from there.
"""
import json
import sys


def figure(row, key, unit=""):
    low, high = row[key + "_min"], row[key + "_max"]
    text = "%.4g%s" % (row[key], unit)
    return text if low == high else text + " (%.4g to %.4g)" % (low, high)


def measured(row):
    text = figure(row, "measured") + " " + row["unit"]
    if row.get("ratio") is None:
        return text
    return "%s: %s of %s" % (text, figure(row, "ratio", " ×"), row["against"])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    machine = results["machine"]
    later = []
    if len(sys.argv) > 2:
        with open(sys.argv[2], encoding="utf-8") as file:
            later = json.load(file)["scenarios"]
    again = {row["name"] for row in later}
    results["scenarios"] = [row for row in results["scenarios"] if row["name"] not in again] + later
    rows = [row for row in results["scenarios"] if row.get("met") is not None]
    missed = sum(not row["met"] for row in rows)
    print("# Targets, as last measured\n")
    print("Made by `bench/targets.py` of `latest.json`; `bench/README.md` says how to read it. Machine: %s, %d cores, Redis %s, load before it %.2g%s.\n"
          % (machine["processor"], machine["cores"], machine["redis"], machine["load"],
             "; QUICK, so of no worth" if machine["quick"] else ""))
    print("%d of %d met. `docs/SCALING.md` says what stands in the way of the others.\n" % (len(rows) - missed, len(rows)))
    if again:
        print("Measured again by themselves (`later.json`): %s.\n" % ", ".join("`%s`" % name for name in sorted(again)))
    print("| scenario | | target | measured, median (least to most) | |\n|---|---|---|---|---|")
    for row in rows:
        print("| `%s` | %s | %s | %s | %s |" % (row["name"], row["what"], row["target"], measured(row),
                                             "met" if row["met"] else "**missed**"))


main()
