#!/usr/bin/env python3
"""Measure igraph, rustworkx and networkx over the graph that `cargo xtask bench --graph` measures.

    python bench/graph_peers.py --edges FILE --nodes N --sources A,B,.. --networkx 0|1

reads pairs of little-endian u32 (undirected) and prints one JSON object: medians in seconds, `NAME_s` on the clock and `NAME_cpu_s` on
all cores together: on a machine that others use, the second is what the work takes.
"""

import argparse
import json
import statistics
import time

import numpy


def median(times):
    return statistics.median(times)


def timed(name, act, items, share=1):
    wall, cpu = [], []
    for item in items:
        begun, before = time.perf_counter(), time.process_time()
        act(item)
        wall.append((time.perf_counter() - begun) / share)
        cpu.append((time.process_time() - before) / share)
    return {f"{name}_s": median(wall), f"{name}_cpu_s": median(cpu)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--edges", required=True)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--sources", required=True)
    parser.add_argument("--networkx", type=int, default=0)
    arguments = parser.parse_args()
    edges = numpy.fromfile(arguments.edges, dtype="<u4").reshape(-1, 2)
    sources = [int(source) for source in arguments.sources.split(",")]
    many = [int(node) for node in numpy.linspace(0, arguments.nodes - 1, 20_000)]
    found = {}

    import igraph

    graph = igraph.Graph(n=arguments.nodes, edges=edges).simplify()
    found["igraph"] = {
        **timed("bfs", lambda source: graph.distances(source=source), sources),
        **timed("page_rank", lambda _: graph.pagerank(damping=0.85), range(3)),
        **timed("hops", lambda source: graph.neighborhood(source, order=2), sources),
        **timed("neighbours", lambda _: [graph.neighbors(node) for node in many], range(3), len(many)),
    }
    del graph

    import rustworkx

    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(arguments.nodes))
    graph.add_edges_from_no_data([tuple(edge) for edge in edges.tolist()])
    directed = graph.to_directed()
    lengths = rustworkx.dijkstra_shortest_path_lengths
    found["rustworkx"] = {
        # It has no search that answers distances alone; this is what its users call.
        **timed("bfs", lambda source: lengths(graph, source, lambda _: 1.0), sources[:3]),
        **timed("page_rank", lambda _: rustworkx.pagerank(directed, alpha=0.85, tol=1e-12, max_iter=1000), range(3)),
        **timed("neighbours", lambda _: [graph.neighbors(node) for node in many], range(3), len(many)),
    }
    del graph, directed

    if arguments.networkx:
        import networkx

        graph = networkx.Graph()
        graph.add_nodes_from(range(arguments.nodes))
        graph.add_edges_from(edges.tolist())
        found["networkx"] = {
            **timed("bfs", lambda source: networkx.single_source_shortest_path_length(graph, source), sources[:3]),
            **timed("page_rank", lambda _: networkx.pagerank(graph, alpha=0.85, tol=1e-12 / arguments.nodes, max_iter=1000), range(3)),
            **timed("hops", lambda source: networkx.single_source_shortest_path_length(graph, source, cutoff=2), sources),
            **timed("neighbours", lambda _: [list(graph.neighbors(node)) for node in many], range(3), len(many)),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
