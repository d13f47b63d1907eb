#!/usr/bin/env python3
"""Draw the results of `cargo xtask bench --embedding`.

    python bench/embedding_chart.py --in FILE.json --out DIR

writes embedding-latency and embedding-throughput into DIR, each as .svg and .png.
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from chart import ACCENT, ACCENT_LIGHT, BAR, BAR_LIGHT, COLOURS, GRID, INK, MARKERS, bare, is_own, number, save, titled

# A runtime keeps its colour; how it runs is the line.
FAMILIES = ("onnxruntime-fp32", "onnxruntime-int8", "ctranslate2-fp32", "ctranslate2-int8", "fastembed-style")


def label(row):
    of = "instances" if is_own(row["engine"]) else "threads"
    return row["engine"] if row["threads"] == 1 else f"{row['engine']}, {row['threads']} {of}"


def draw_latency(results, folder):
    engines = {}
    for row in results["latency"]:
        engines.setdefault((row["engine"], row["threads"]), []).append(row)
    figure, axes = pyplot.subplots(figsize=(10, 6.2))
    for (name, threads), rows in engines.items():
        rows.sort(key=lambda row: row["tokens"])
        tokens, ms = [row["tokens"] for row in rows], [row["p50_ms"] for row in rows]
        style = {"linestyle": "-" if threads == 1 else "--"}
        if name == "skerry":
            style |= {"color": ACCENT, "linewidth": 3.2, "marker": "o", "markersize": 9, "zorder": 5}
        elif is_own(name):
            style |= {"color": ACCENT_LIGHT, "linewidth": 1.5, "marker": "o", "markersize": 5, "zorder": 4}
        else:
            place = FAMILIES.index(name)
            style |= {"color": COLOURS[place], "linewidth": 1.5, "marker": MARKERS[place + 1], "markersize": 6, "zorder": 3}
        axes.plot(tokens, ms, label=label(rows[0]), markeredgecolor="white", markeredgewidth=0.7, clip_on=False, **style)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted({row["tokens"] for row in results["latency"]})))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("tokens of the text, special ones included (logarithmic)", fontsize=11, color=INK, labelpad=8)
    axes.set_ylabel("p50 of one text (ms, logarithmic)", fontsize=11, color=INK, labelpad=8)
    axes.grid(True, color=GRID, linewidth=0.8)
    titled(axes, "Embedding: one text", "all-MiniLM-L6-v2, tokenizer included, one thread unless said; down is better")
    bare(axes)
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=10, labelspacing=0.7, handlelength=2.6)
    for text in legend.get_texts():
        if text.get_text() == "skerry":
            text.set_fontweight("bold")
            text.set_color(ACCENT)
    save(figure, folder, "embedding-latency")


def draw_throughput(results, folder):
    batches = (1, 32)
    engines = {}
    for row in results["throughput"]:
        engines.setdefault((row["engine"], row["threads"]), {"label": label(row)})[row["batch"]] = row["texts_per_s"]
    rows = sorted(engines.items(), key=lambda row: -row[1][batches[-1]])
    largest = max(values[batch] for _, values in rows for batch in batches)
    figure, axes = pyplot.subplots(figsize=(10, 1.6 + 0.55 * len(rows)))
    for place, ((name, _), values) in enumerate(rows):
        colours = (ACCENT_LIGHT, ACCENT) if is_own(name) else (BAR_LIGHT, BAR)
        # The axis points down: what is subtracted is drawn above.
        for batch, shift, colour in zip(batches, (0.17, -0.17), colours):
            axes.barh(place + shift, values[batch], height=0.3, color=colour)
            axes.text(values[batch] + largest * 0.008, place + shift, f"{values[batch]:,.0f}", va="center", fontsize=8.5, color=INK)
    axes.set_yticks(range(len(rows)), [values["label"] for _, values in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, largest * 1.08)
    axes.set_xlabel("texts a second", fontsize=11, color=INK, labelpad=8)
    axes.grid(True, axis="x", color=GRID, linewidth=0.8)
    subtitle = "glosses of WordNet of natural lengths; dark: 32 texts in a call, light: one by one; more is better"
    titled(axes, "Embedding: many texts", subtitle)
    bare(axes)
    axes.tick_params(axis="y", length=0)
    for text in axes.get_yticklabels():
        if is_own(text.get_text()):
            text.set_fontweight("bold")
            text.set_color(ACCENT)
    save(figure, folder, "embedding-throughput")


def main():
    parser = argparse.ArgumentParser(description="Draw latency and throughput of embedding.")
    parser.add_argument("--in", dest="source", type=Path, required=True, help="JSON of the benchmark")
    parser.add_argument("--out", type=Path, required=True, help="folder for the charts")
    arguments = parser.parse_args()
    matplotlib.rcParams.update({"font.family": "DejaVu Sans", "svg.fonttype": "path", "svg.hashsalt": "skerry"})
    results = json.loads(arguments.source.read_text(encoding="utf-8"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw_latency(results, arguments.out)
    draw_throughput(results, arguments.out)
    print(f"chart: wrote embedding-latency and embedding-throughput to {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
