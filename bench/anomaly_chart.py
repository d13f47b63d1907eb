#!/usr/bin/env python3
"""Draw the results of `cargo xtask bench --anomalies`.

    python bench/anomaly_chart.py --in FILE.json --out DIR
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

ACCENT, BAR, FAINTER, INK, FAINT, GRID = "#d1491b", "#6c8299", "#b9c5d0", "#22282f", "#5b6570", "#dfe3e8"
BASELINES = {"betweenness", "jaccard"}


def main():
    parser = argparse.ArgumentParser(description="Draw average precision of anomaly scores.")
    parser.add_argument("--in", dest="source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    matplotlib.rcParams.update({"font.family": "DejaVu Sans", "svg.fonttype": "path", "svg.hashsalt": "skerry"})
    results = json.loads(arguments.source.read_text(encoding="utf-8"))
    tasks = list(dict.fromkeys(row["task"] for row in results["rows"]))
    figure, grid = pyplot.subplots(2, (len(tasks) + 1) // 2, figsize=(14, 6.8), sharex=True)
    for axes, task in zip(grid.flat, tasks):
        rows = [row for row in results["rows"] if row["task"] == task]
        for place, row in enumerate(rows):
            colour = FAINTER if row["score"] == "plain" else BAR if row["score"] in BASELINES else ACCENT
            axes.barh(place, row["precision"], xerr=row["precision_spread"], height=0.62, color=colour, ecolor=INK, capsize=2)
        axes.set_yticks(range(len(rows)), [row["score"] for row in rows])
        axes.invert_yaxis()
        axes.axvline(rows[0]["share"], color=INK, linewidth=1, linestyle=":")
        axes.set_title(task, loc="left", fontsize=10.5, fontweight="bold", color=INK)
        axes.grid(True, axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlim(0, 1)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.tick_params(colors=INK, labelsize=9)
    for axes in grid.flat[len(tasks):]:
        axes.set_visible(False)
    figure.suptitle("Anomalies: average precision of what was put in", x=0.01, ha="left", fontsize=14, fontweight="bold", color=INK)
    note = f"mean and standard deviation over {results['seeds']} seeds; dotted: chance; orange: curvature, blue: baselines"
    figure.text(0.01, 0.925, note, fontsize=9.5, color=FAINT)
    figure.tight_layout(rect=(0, 0, 1, 0.92))
    arguments.out.mkdir(parents=True, exist_ok=True)
    for ending in ("svg", "png"):
        metadata = {"Date": None} if ending == "svg" else None
        figure.savefig(arguments.out / f"anomalies.{ending}", dpi=130, facecolor="white", metadata=metadata)


if __name__ == "__main__":
    main()
