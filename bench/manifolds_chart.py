#!/usr/bin/env python3
"""Draw the manifold results of `cargo xtask bench --geometry`.

    python bench/manifolds_chart.py --in FILE.json --out DIR

writes geometry-manifolds.png into DIR: how many times faster than each peer, batched and single calls.
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

ACCENT, BAR = "#d1491b", "#6c8299"
INK, FAINT, GRID = "#22282f", "#5b6570", "#dfe3e8"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--in", dest="input", required=True)
    arguments.add_argument("--out", required=True)
    arguments = arguments.parse_args()
    with open(arguments.input) as file:
        report = json.load(file)
    bars = []
    for row in report["rows"]:
        for how, colour in (("batched", ACCENT), ("scalar", BAR), ("session", FAINT)):
            ratio = row.get(f"{how}_ratio")
            if ratio:
                words = {"batched": "many at once", "scalar": "one call", "session": "one call of a session"}[how]
                words = "one call" if row["name"] == "dtw" else words
                bars.append((f"{row['label']}, {words}, against {row['peer']}", ratio, colour))
    figure, axes = pyplot.subplots(figsize=(10, 1.6 + 0.3 * len(bars)))
    for place, (_, ratio, colour) in enumerate(bars):
        axes.barh(place, ratio, height=0.7, color=colour)
        axes.text(ratio * 1.05, place, f"{ratio:,.1f}x", va="center", fontsize=8.5, color=INK)
    axes.axvline(1, color=INK, linewidth=1, linestyle=":")
    axes.set_xscale("log")
    axes.set_yticks(range(len(bars)), [name for name, *_ in bars], fontsize=8.5)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0.5, max(ratio for _, ratio, _ in bars) * 2)
    axes.set_xlabel("times faster (logarithmic), one thread, through the component's interface", fontsize=10, color=INK)
    axes.grid(True, axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_title("Distances on manifolds", loc="left", fontsize=13, color=INK)
    figure.text(0.99, 0.005, report["machine"], ha="right", fontsize=7.5, color=FAINT)
    figure.tight_layout()
    figure.savefig(Path(arguments.out) / "geometry-manifolds.png", dpi=110)


if __name__ == "__main__":
    main()
