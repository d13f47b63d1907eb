#!/usr/bin/env python3
"""Graphs for `cargo xtask bench --geometry`, and GraphRicciCurvature's times and values on them.

    python bench/geometry_curvature.py --out FILE.json --rounds N

Ollivier curvature by its exact method (OTD, idleness 1/2), by one process and by as many as it takes by default; augmented Forman
curvature. The hub-heavy graphs are for Skerry alone.
"""

import argparse
import json
import random
import statistics
import time
from pathlib import Path

import networkx
from GraphRicciCurvature.FormanRicci import FormanRicci
from GraphRicciCurvature.OllivierRicci import OllivierRicci


def clock(rounds, make, run):
    times, made = [], None
    for _ in range(rounds):
        made = make()
        begun = time.perf_counter()
        run(made)
        times.append(time.perf_counter() - begun)
    return statistics.median(times), made


def peers(graph, rounds):
    import multiprocessing

    row = {"edges": list(graph.edges()), "nodes": graph.number_of_nodes()}
    for name, processes in (("ollivier_1_s", 1), ("ollivier_default_s", multiprocessing.cpu_count())):
        row[name], made = clock(
            rounds,
            lambda: OllivierRicci(graph, alpha=0.5, method="OTD", proc=processes),
            lambda made: made.compute_ricci_curvature(),
        )
    row["ollivier"] = [float(made.G[a][b]["ricciCurvature"]) for a, b in graph.edges()]
    row["forman_s"], made = clock(rounds, lambda: FormanRicci(graph), lambda made: made.compute_ricci_curvature())
    row["forman"] = [float(made.G[a][b]["formanCurvature"]) for a, b in graph.edges()]
    return row


def stars(hubs, leaves, each, seed):
    chance = random.Random(seed)
    return [(hub, hubs + leaf) for leaf in range(leaves) for hub in chance.sample(range(hubs), each)]


def power_law(nodes, edges, seed):
    chance = random.Random(seed)
    weights = [1 / (rank + 1) ** 0.9 for rank in range(nodes)]
    pairs = set()
    while len(pairs) < edges:
        for a, b in zip(chance.choices(range(nodes), weights, k=edges), chance.choices(range(nodes), k=edges)):
            if a != b and len(pairs) < edges:
                pairs.add((min(a, b), max(a, b)))
    return sorted(pairs)


def main():
    parser = argparse.ArgumentParser(description="Time GraphRicciCurvature.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    graphs = {
        "BA(1000, 5)": networkx.barabasi_albert_graph(1000, 5, seed=1),
        "Gnm(1000, 5000)": networkx.gnm_random_graph(1000, 5000, seed=1),
        "WS(1000, 10, 0.1)": networkx.watts_strogatz_graph(1000, 10, 0.1, seed=1),
    }
    results = {"graphs": {name: peers(graph, arguments.rounds) for name, graph in graphs.items()}}
    results["hubs"] = {
        "BA(20000, 5)": list(networkx.barabasi_albert_graph(20000, 5, seed=1).edges()),
        "BA(10000, 10)": list(networkx.barabasi_albert_graph(10000, 10, seed=1).edges()),
        "20 stars over 10,000 leaves": stars(20, 10_000, 10, 1),
        "power law, hub of 5,000": power_law(30_000, 100_000, 1),
        "K(2, 50000)": stars(2, 50_000, 2, 1),
    }
    arguments.out.write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
