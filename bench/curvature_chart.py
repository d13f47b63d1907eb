#!/usr/bin/env python3
"""Draw the curvature part of `cargo xtask bench --geometry`.

    python bench/curvature_chart.py --in FILE.json --out DIR
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

ACCENT, INK, FAINT, GRID = "#d1491b", "#22282f", "#5b6570", "#dfe3e8"


def main():
    parser = argparse.ArgumentParser(description="Draw ratios of curvature.")
    parser.add_argument("--in", dest="source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    matplotlib.rcParams.update({"font.family": "DejaVu Sans", "svg.fonttype": "path", "svg.hashsalt": "skerry"})
    rows = json.loads(arguments.source.read_text(encoding="utf-8"))["curvature"]["ratios"]
    figure, axes = pyplot.subplots(figsize=(10, 1.4 + 0.5 * len(rows)))
    for place, row in enumerate(rows):
        axes.barh(place, row["ratio"], height=0.62, color=ACCENT)
        axes.plot([row["goal"]] * 2, [place - 0.36, place + 0.36], color=INK, linewidth=1.5)
        axes.text(row["ratio"] * 1.03, place, f"{row['ratio']:,.0f}x", va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(1, max(row["ratio"] for row in rows) * 2)
    axes.set_xlabel("times as fast as GraphRicciCurvature (its better of one process and several); line: goal", color=INK)
    axes.set_title("Curvature of graphs, in the component", loc="left", fontsize=14, fontweight="bold", color=INK)
    axes.grid(True, axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for ending in ("svg", "png"):
        metadata = {"Date": None} if ending == "svg" else None
        figure.savefig(
            arguments.out / f"geometry-curvature.{ending}", dpi=150, bbox_inches="tight", facecolor="white", metadata=metadata
        )


if __name__ == "__main__":
    main()
