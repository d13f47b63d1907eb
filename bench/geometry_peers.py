#!/usr/bin/env python3
"""Times manifold distances and time warping of other libraries, for `cargo xtask bench --geometry`.

    python bench/geometry_peers.py --in FILE.json --out FILE.json

Reads points, measures distances of one to many and single calls; writes medians in nanoseconds per distance with the values, which
the bench compares.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import time

os.environ.setdefault("GEOMSTATS_BACKEND", "numpy")

import numpy as np

SHAPES = {"spd_affine": (3, 3), "spd_log_euclidean": (3, 3), "spd_bures": (3, 3)}


def geomstats_metrics():
    from geomstats.geometry.euclidean import Euclidean
    from geomstats.geometry.hyperboloid import Hyperboloid
    from geomstats.geometry.hypersphere import Hypersphere
    from geomstats.geometry.poincare_ball import PoincareBall
    from geomstats.geometry.spd_matrices import (
        SPDAffineMetric, SPDBuresWassersteinMetric, SPDLogEuclideanMetric, SPDMatrices,
    )
    from geomstats.information_geometry.categorical import CategoricalDistributions
    from geomstats.information_geometry.normal import UnivariateNormalDistributions

    def spd(metric):
        space = SPDMatrices(3, equip=False)
        space.equip_with_metric(metric)
        return space.metric

    return {
        "euclidean": lambda: Euclidean(3).metric,
        "sphere": lambda: Hypersphere(2).metric,
        "poincare": lambda: PoincareBall(2).metric,
        "lorentz": lambda: Hyperboloid(2).metric,
        "gaussian": lambda: UnivariateNormalDistributions().metric,
        "categorical": lambda: CategoricalDistributions(3).metric,
        "spd_affine": lambda: spd(SPDAffineMetric),
        "spd_log_euclidean": lambda: spd(SPDLogEuclideanMetric),
        "spd_bures": lambda: spd(SPDBuresWassersteinMetric),
    }


def median_ns(work, times):
    work()
    taken = []
    for _ in range(times):
        begun = time.perf_counter_ns()
        work()
        taken.append(time.perf_counter_ns() - begun)
    return statistics.median(taken)


def points_of(name, numbers, width):
    points = np.array(numbers, dtype=np.float64).reshape(-1, width)
    return points.reshape((-1, *SHAPES[name])) if name in SHAPES else points


def measure(name, data, dist):
    points = points_of(name, data["points"], data["width"])
    x, y = points[0], points[1]
    batched = median_ns(lambda: dist(x, points), 7) / len(points)
    single = median_ns(lambda: dist(x, y), 300)
    return {"batched_ns": batched, "scalar_ns": single, "values": np.asarray(dist(x, points)).ravel()[:50].tolist()}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--in", dest="input", required=True)
    arguments.add_argument("--out", required=True)
    arguments = arguments.parse_args()
    with open(arguments.input) as file:
        data = json.load(file)
    rows = {}
    for name, make in geomstats_metrics().items():
        if name not in data["manifolds"]:
            continue
        try:
            metric = make()
            rows.setdefault(name, {})["geomstats"] = measure(name, data["manifolds"][name], metric.dist)
        except Exception as error:  # noqa: BLE001: one peer that fails must not end the bench.
            print(f"geomstats {name}: {error}")
    from pyriemann.utils import distance as riemann

    for name, dist in {
        "spd_affine": riemann.distance_riemann,
        "spd_log_euclidean": riemann.distance_logeuclid,
        "spd_bures": riemann.distance_wasserstein,
    }.items():
        if name in data["manifolds"]:
            flipped = lambda x, points, dist=dist: dist(points, x)
            rows.setdefault(name, {})["pyriemann"] = measure(name, data["manifolds"][name], flipped)
    from dtaidistance import dtw

    x, y = (np.array(data["dtw"][side], dtype=np.float64) for side in "xy")
    value = dtw.distance_fast(x, y, use_pruning=False)
    rows["dtw"] = {"dtaidistance": {"batched_ns": median_ns(lambda: dtw.distance_fast(x, y, use_pruning=False), 7), "values": [value]}}
    versions = {name: importlib.metadata.version(name) for name in ("geomstats", "pyriemann", "dtaidistance", "numpy")}
    with open(arguments.out, "w") as file:
        json.dump({"rows": rows, "versions": versions}, file)


if __name__ == "__main__":
    main()
