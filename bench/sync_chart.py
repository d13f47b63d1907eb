#!/usr/bin/env python3
"""Draw the results of `cargo xtask bench --sync`.

    python bench/sync_chart.py --in FILE.json --out DIR

writes sync-bytes, sync-latency and sync-memory into DIR, each as .svg and .png.
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

ACCENT, ACCENT_LIGHT = "#d1491b", "#eba48d"
BAR, BAR_LIGHT = "#6c8299", "#b9c5d0"
INK, FAINT, GRID = "#22282f", "#5b6570", "#dfe3e8"


def is_own(name):
    return name.startswith("skerry")


def found(row, *path):
    for name in path:
        row = (row or {}).get(name)
    return row


def draw(folder, file, title, subtitle, label, keys, rows, line=None):
    """Two bars for each row: (name, first, second), any of them missing; `line` is (value, words) of a goal."""
    rows = [row for row in rows if row[1] is not None or row[2] is not None]
    figure, axes = pyplot.subplots(figsize=(10, 1.7 + 0.62 * max(len(rows), 1)))
    largest = max([value for _, *values in rows for value in values if value is not None] + [line[0] if line else 0]) or 1
    for place, (name, first, second) in enumerate(rows):
        own = is_own(name)
        for value, shift, colour in (
            (first, -0.18, ACCENT if own else BAR), (second, 0.18, ACCENT_LIGHT if own else BAR_LIGHT),
        ):
            if value is None:
                continue
            # The axis points down: what is subtracted is drawn above.
            axes.barh(place + shift, value, height=0.32, color=colour)
            text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
            axes.text(value + largest * 0.008, place + shift, text, va="center", fontsize=8.5, color=INK)
    if line:
        axes.axvline(line[0], color=INK, linewidth=1, linestyle=":")
        axes.text(line[0], len(rows) - 0.45, f" {line[1]}", fontsize=8.5, color=FAINT, va="bottom")
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    axes.set_xlim(0, largest * 1.1)
    axes.set_xlabel(label, fontsize=11, color=INK, labelpad=8)
    axes.grid(True, axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=10)
    axes.tick_params(axis="y", length=0)
    for tick in axes.get_yticklabels():
        if is_own(tick.get_text()):
            tick.set_fontweight("bold")
            tick.set_color(ACCENT)
    axes.set_title(title, loc="left", fontsize=14, fontweight="bold", color=INK, pad=30)
    axes.text(0, 1.03, subtitle, transform=axes.transAxes, fontsize=9.5, color=FAINT)
    patches = [pyplot.Rectangle((0, 0), 1, 1, color=colour) for colour in (BAR, BAR_LIGHT)]
    axes.legend(patches, keys, loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=10, handlelength=1.2)
    for ending in ("svg", "png"):
        # No date in the file: the same numbers draw the same bytes.
        metadata = {"Date": None} if ending == "svg" else None
        figure.savefig(folder / f"{file}.{ending}", dpi=150, bbox_inches="tight", facecolor="white", metadata=metadata)
    pyplot.close(figure)


def main():
    parser = argparse.ArgumentParser(description="Draw bytes, latency and memory of sync services.")
    parser.add_argument("--in", dest="source", type=Path, required=True, help="JSON of cargo xtask bench --sync")
    parser.add_argument("--out", type=Path, required=True, help="folder for the charts")
    arguments = parser.parse_args()
    matplotlib.rcParams.update({"font.family": "DejaVu Sans", "svg.fonttype": "path", "svg.hashsalt": "skerry"})
    results = json.loads(arguments.source.read_text(encoding="utf-8"))
    servers, raw = results["servers"], results["raw_bytes"]
    work = f"{results['records']:,} glosses of WordNet as records"
    arguments.out.mkdir(parents=True, exist_ok=True)

    def share(row, direction):
        value = found(row, direction)
        return None if value is None else value / raw

    rows = [(row["name"], share(row.get("first"), "up_bytes"), share(row.get("first"), "down_bytes")) for row in servers]
    exchange = results.get("exchange")
    rows.insert(1, ("skerry, stateless exchange", share(exchange, "up_bytes"), share(exchange, "down_bytes")))
    draw(
        arguments.out, "sync-bytes", "Sync: bytes of the first synchronisation", f"{work}; less is better",
        "bytes on the wire over bytes of raw JSON", ["to the server", "from the server"], rows, (0.5, "goal"),
    )
    rows = [
        (row["name"], found(row, "latency", "visible_p50_ms"), found(row, "latency", "visible_p95_ms")) for row in servers
    ]
    draw(
        arguments.out, "sync-latency", "Sync: from a write to the other replica",
        "one writes, the other sees it; Skerry alone has it on disk (fsync) before; less is better",
        "milliseconds", ["p50", "p95"], rows, (50, "goal"),
    )
    rows = [(row["name"], found(row, "after_work", "pss_mb"), found(row, "idle", "pss_mb")) for row in servers]
    held = max((found(row, "idle", "held") or 0 for row in servers), default=0)
    draw(
        arguments.out, "sync-memory", "Sync: memory of the server", f"{work}; less is better",
        "memory (Pss), MB", ["after the same work", f"with {held:,} idle connections"], rows,
    )
    print(f"chart: wrote sync-bytes, sync-latency and sync-memory to {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
