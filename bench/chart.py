#!/usr/bin/env python3
"""Draw the results of bench/peers.py, with Skerry's own rows added to the same JSON.

    python bench/chart.py --in FILE.json --out DIR

writes search-recall and search-memory into DIR, each as .svg and .png.
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

ACCENT, ACCENT_LIGHT = "#d1491b", "#eba48d"
BAR, BAR_LIGHT = "#6c8299", "#b9c5d0"
INK, FAINT, GRID = "#22282f", "#5b6570", "#dfe3e8"
# Colours that differ in lightness too, none near the accent.
COLOURS = ("#1f6fb2", "#6a4fa3", "#1b8a6b", "#7d8894", "#3fa7d6", "#a05195", "#8a7a1f", "#2f4858", "#8fb339", "#b08ac9")
MARKERS = "osD^vPX<>h"
OWN_STYLES = ("-", "--", ":", "-.")


def is_own(name):
    return name.startswith("skerry")


def number(value):
    return f"{value:,.10g}" if value >= 1 else f"{value:.10g}"


def error_line(row):
    lines = [line.strip() for line in str(row["error"]).splitlines() if line.strip()]
    text = lines[-1] if lines else "failed"
    return f"{row['engine']}: {text if len(text) <= 90 else text[:87] + '...'}"


def titled(axes, title, subtitle):
    axes.set_title(title, loc="left", fontsize=14, fontweight="bold", color=INK, pad=30)
    axes.text(0, 1.03, subtitle, transform=axes.transAxes, fontsize=9.5, color=FAINT)


def bare(axes):
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=10)
    axes.set_axisbelow(True)


def save(figure, folder, name):
    for ending in ("svg", "png"):
        # No date in the file: the same numbers draw the same bytes.
        metadata = {"Date": None} if ending == "svg" else None
        figure.savefig(folder / f"{name}.{ending}", dpi=150, bbox_inches="tight", facecolor="white", metadata=metadata)
    pyplot.close(figure)


def of_vectors(results):
    count = results.get("vectors")
    return f"{count:,} vectors of 384 dimensions" if count else "384 dimensions"


def draw_recall(results, folder):
    rows = []
    for row in results["engines"]:
        points = [point for point in row.get("points") or [] if point.get("recall") is not None and point.get("p50_ms")]
        if points:
            rows.append((row["engine"], sorted(points, key=lambda point: (point["recall"], point["p50_ms"]))))
    # Skerry first in the legend, drawn last and so on top.
    rows.sort(key=lambda row: not is_own(row[0]))
    figure, axes = pyplot.subplots(figsize=(10, 6.2))
    others = own = 0
    for name, points in rows:
        recalls, latencies = [point["recall"] for point in points], [point["p50_ms"] for point in points]
        if is_own(name):
            style = {
                "color": ACCENT, "linewidth": 3.2, "linestyle": OWN_STYLES[own % len(OWN_STYLES)],
                "marker": MARKERS[own % len(MARKERS)], "markersize": 9, "zorder": 5,
            }
            own += 1
        else:
            style = {
                "color": COLOURS[others % len(COLOURS)], "linewidth": 1.5,
                "marker": MARKERS[others % len(MARKERS)], "markersize": 6, "zorder": 3,
            }
            others += 1
        axes.plot(recalls, latencies, label=name, markeredgecolor="white", markeredgewidth=0.7, clip_on=False, **style)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    least = min((point["recall"] for _, points in rows for point in points), default=0.0)
    left = max(0.0, int(least * 20) / 20)
    axes.set_xlim(left, 1 + (1 - left) * 0.01)
    axes.set_xlabel("recall@10 (share of the ten true nearest that are found)", fontsize=11, color=INK, labelpad=8)
    axes.set_ylabel("p50 latency of one query (ms, logarithmic)", fontsize=11, color=INK, labelpad=8)
    axes.grid(True, color=GRID, linewidth=0.8)
    titled(axes, "Search: recall against latency", f"{of_vectors(results)}, one thread; right and down is better")
    bare(axes)
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=10, labelspacing=0.7, handlelength=2.6)
    for text in legend.get_texts():
        if is_own(text.get_text()):
            text.set_fontweight("bold")
            text.set_color(ACCENT)
    failed = [error_line(row) for row in results["engines"] if row.get("error")]
    if failed:
        note = "Failed, at least in part:\n" + "\n".join(failed)
        axes.annotate(note, (0, 0), xycoords="axes fraction", xytext=(0, -46), textcoords="offset points",
                      va="top", fontsize=8, color=FAINT)
    save(figure, folder, "search-recall")


def draw_memory(results, folder):
    rows = [
        (row["engine"], row["memory_mb_per_100k"], row.get("memory_after_queries_mb_per_100k"))
        for row in results["engines"]
        if row.get("memory_mb_per_100k") is not None and row.get("kind") != "keyword"
    ]
    rows.sort(key=lambda row: max(row[1], row[2] or 0))
    figure, axes = pyplot.subplots(figsize=(10, 1.6 + 0.55 * max(len(rows), 1)))
    largest = max((max(opened, used or 0) for _, opened, used in rows), default=1) or 1
    for place, (name, opened, used) in enumerate(rows):
        colour = ACCENT if is_own(name) else BAR
        if used is None:
            axes.barh(place, opened, height=0.62, color=colour)
        else:
            # The axis points down: what is subtracted is drawn above.
            axes.barh(place - 0.17, opened, height=0.3, color=colour)
            axes.barh(place + 0.17, used, height=0.3, color=ACCENT_LIGHT if is_own(name) else BAR_LIGHT)
        for value, shift in ((opened, 0 if used is None else -0.17), (used, 0.17)):
            if value is not None:
                text = f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
                axes.text(value + largest * 0.008, place + shift, text, va="center", fontsize=8.5, color=INK)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    axes.set_xlim(0, largest * 1.08)
    axes.set_xlabel("memory (Pss) per 100,000 vectors (MB)", fontsize=11, color=INK, labelpad=8)
    axes.grid(True, axis="x", color=GRID, linewidth=0.8)
    titled(axes, "Search: memory of the index", f"{of_vectors(results)}; less is better")
    bare(axes)
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels():
        if is_own(label.get_text()):
            label.set_fontweight("bold")
            label.set_color(ACCENT)
    keys = [
        Line2D([], [], color=BAR, linewidth=7, label="after opening"),
        Line2D([], [], color=BAR_LIGHT, linewidth=7, label="after the queries"),
    ]
    axes.legend(handles=keys, loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=10, handlelength=1.2)
    save(figure, folder, "search-memory")


def main():
    parser = argparse.ArgumentParser(description="Draw recall against latency, and memory, of search engines.")
    parser.add_argument("--in", dest="source", type=Path, required=True, help="JSON of bench/peers.py")
    parser.add_argument("--out", type=Path, required=True, help="folder for the charts")
    arguments = parser.parse_args()
    matplotlib.rcParams.update({"font.family": "DejaVu Sans", "svg.fonttype": "path", "svg.hashsalt": "skerry"})
    results = json.loads(arguments.source.read_text(encoding="utf-8"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw_recall(results, arguments.out)
    draw_memory(results, arguments.out)
    print(f"chart: wrote search-recall and search-memory to {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
