#!/usr/bin/env python3
"""Draw the results of `cargo xtask bench --graph`.

    python bench/graph_chart.py --in FILE.json --out DIR

writes graph-walks.svg and .png into DIR.
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

ACCENT, BAR, INK, FAINT, GRID = "#d1491b", "#6c8299", "#22282f", "#5b6570", "#dfe3e8"


def words(seconds):
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs"), (1e9, "ns")):
        if seconds * factor >= 1 or unit == "ns":
            return f"{seconds * factor:.3g} {unit}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--in", dest="file", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    report = json.loads(Path(arguments.file).read_text())
    graph = report["medium"]
    panels = [("bfs_cpu_s", "Distances from one node to all"), ("page_rank_cpu_s", "PageRank"),
              ("hops_cpu_s", "Everything within two steps"), ("neighbours_cpu_s", "Neighbours of one node")]
    figure, rows = pyplot.subplots(2, 2, figsize=(11, 5.2))
    for axes, (key, title) in zip(rows.flat, panels):
        bars = [(name, graph[name][key]) for name in ("skerry", "igraph", "rustworkx", "networkx") if graph.get(name, {}).get(key)]
        for place, (name, value) in enumerate(bars):
            axes.barh(place, value, height=0.6, color=ACCENT if name == "skerry" else BAR)
            axes.annotate(words(value), (value, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9, color=INK)
        axes.set_yticks(range(len(bars)), [name for name, _ in bars])
        axes.set_xscale("log")
        least, most = min(value for _, value in bars), max(value for _, value in bars)
        axes.set_xlim(least / 4, most * 8)
        axes.invert_yaxis()
        axes.set_title(title, loc="left", fontsize=11, color=INK)
        axes.grid(axis="x", color=GRID)
        axes.set_axisbelow(True)
        axes.tick_params(colors=FAINT, labelsize=9)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    figure.suptitle(f"{graph['nodes']:,} records, {graph['arcs']:,} arcs; time on a core, logarithmic, less is better", x=0.01, ha="left", fontsize=12, color=INK)
    figure.tight_layout()
    for end in ("svg", "png"):
        figure.savefig(Path(arguments.out) / f"graph-walks.{end}", dpi=110)


if __name__ == "__main__":
    main()
