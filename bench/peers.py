#!/usr/bin/env python3
"""Measure other search engines on the vectors and texts Skerry is measured on.

    python bench/peers.py --data DIR --out FILE.json [--engines a,b]

DIR holds vectors.f32 and queries.f32 (rows of 384 little-endian f32 of unit length), texts.jsonl, query_texts.jsonl,
truth.json and filter.json. What is measured, and how:

- Every engine is built in one process and searched in another, so neither its memory nor its caches carry over. An index
  is saved, then opened by the process that searches; files are warm in the page cache.
- Build uses two threads where the engine lets us choose. Search uses one thread: the options of the engine and the usual
  environment variables say one, and the process is pinned to one core, which holds for engines with thread pools of
  their own.
- A latency is that of one call of the Python binding with one question, from a vector (or words) ready in memory to the
  ten hits the binding returns. Questions are never batched. 32 questions are asked unmeasured before each point.
- memory_mb is Pss after opening minus Pss before, with the engine already imported; memory_after_queries_mb is the same
  after the last point, which is what engines that read or map their files lazily really need.
- HNSW graphs use M = 16 and ef_construction = 200 everywhere.
- filtered is the cheapest point of the sweep that reaches 0.95 of the filtered truth, or the most accurate if none does;
  filtered_points has them all.
- An engine that fails is written with its error.
"""

import argparse
import ctypes
import gc
import importlib
import importlib.metadata
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

DIMENSIONS = 384
K = 10
M = 16
EF_CONSTRUCTION = 200
EFS = (16, 32, 64, 128, 256)
BUILD_THREADS = 2
MOST_QUERIES = 1000
EXACT_QUERIES = 100
WARM_QUERIES = 32
OPENINGS = 3
ENOUGH_RECALL = 0.95


# Where progress goes; a child says it on its stdout, which is the stderr of the driver, and keeps stderr for complaints.
progress = sys.stderr


def say(engine, step, seconds=None):
    took = "" if seconds is None else f" {seconds:.2f} s"
    print(f"peers: {engine}: {step}{took}", file=progress, flush=True)


class Data:
    """The input folder; every part is read when it is first asked for."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def count(self):
        return (self.folder / "vectors.f32").stat().st_size // (4 * DIMENSIONS)

    def _matrix(self, name):
        import numpy

        return numpy.fromfile(self.folder / name, dtype="<f4").reshape(-1, DIMENSIONS)

    def vectors(self):
        return self._matrix("vectors.f32")

    def queries(self):
        return self._matrix("queries.f32")[:MOST_QUERIES]

    def _lines(self, name):
        with open(self.folder / name, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.strip()]

    def texts(self):
        return self._lines("texts.jsonl")

    def lexnames(self):
        return [line["lexname"] for line in self.texts()]

    def query_texts(self):
        return [line["text"] for line in self._lines("query_texts.jsonl")][:MOST_QUERIES]

    def _json(self, name):
        with open(self.folder / name, encoding="utf-8") as file:
            return json.load(file)

    def truth(self):
        return self._json("truth.json")["top10"][:MOST_QUERIES]

    def filter(self):
        """The value of lexname to filter by, and the truth under it."""
        found = self._json("filter.json")
        return found["lexname"], found["top10"][:MOST_QUERIES]


class Peer:
    """What the harness asks of an engine. `path` is a folder of its own that outlives the process that builds."""

    name = ""
    package = ""
    module = ""
    kind = "vector"
    build_params = f"M={M} ef_construction={EF_CONSTRUCTION}"
    note = None
    # Why filtered search is not measured; None where it is.
    no_filter = None
    most_queries = MOST_QUERIES
    sweep = [{"ef": ef} for ef in EFS]

    def build(self, path, data):
        raise NotImplementedError

    def open(self, path, count):
        raise NotImplementedError

    def prepare(self, queries):
        """Queries in the form the binding takes; not measured."""
        return [row.reshape(1, -1).copy() for row in queries]

    def set_filter(self, lexname, rows):
        """Take the filter; `rows` are the rows it lets through, for engines that know nothing but row numbers."""

    def point(self, params, filtered):
        """Functions from a prepared query to hits (measured) and from hits to row numbers (not measured)."""
        raise NotImplementedError


class Usearch(Peer):
    package = module = "usearch"
    no_filter = "the Python binding has no filter"

    def __init__(self, name, dtype, scaled=False):
        self.name, self.dtype, self.scaled = name, dtype, scaled
        if scaled:
            self.note = "vectors and queries are given as i8, each scaled by its own largest value (not measured)"
        elif dtype == "i8":
            self.note = "the index casts to i8 itself, by 127 for the value 1, which leaves unit vectors few steps"

    def _cast(self, vectors):
        if not self.scaled:
            return vectors
        import numpy

        return numpy.rint(vectors * (127 / abs(vectors).max(axis=1, keepdims=True))).astype(numpy.int8)

    def _new(self):
        from usearch.index import Index

        return Index(
            ndim=DIMENSIONS, metric="cos", dtype=self.dtype, connectivity=M, expansion_add=EF_CONSTRUCTION
        )

    def build(self, path, data):
        import numpy

        vectors = self._cast(data.vectors())
        started = time.perf_counter()
        index = self._new()
        index.add(numpy.arange(len(vectors)), vectors, threads=BUILD_THREADS)
        seconds = time.perf_counter() - started
        index.save(str(path / "index"))
        return seconds

    def open(self, path, count):
        self.index = self._new()
        self.index.load(str(path / "index"))

    def prepare(self, queries):
        return [row.copy() for row in self._cast(queries)]

    def point(self, params, filtered):
        self.index.expansion_search = params["ef"]
        search = self.index.search
        return lambda query: search(query, K, threads=1), lambda hits: hits.keys.tolist()


class Hnswlib(Peer):
    name = package = module = "hnswlib"
    note = (
        "inner product of unit vectors; the filter is a Python callable asked for every visited row; "
        "pip compiles it for the processor it runs on"
    )

    def build(self, path, data):
        import hnswlib
        import numpy

        vectors = data.vectors()
        started = time.perf_counter()
        index = hnswlib.Index(space="ip", dim=DIMENSIONS)
        index.init_index(max_elements=len(vectors), M=M, ef_construction=EF_CONSTRUCTION)
        index.add_items(vectors, numpy.arange(len(vectors)), num_threads=BUILD_THREADS)
        seconds = time.perf_counter() - started
        index.save_index(str(path / "index"))
        return seconds

    def open(self, path, count):
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=DIMENSIONS)
        self.index.load_index(str(path / "index"), max_elements=count)
        self.index.set_num_threads(1)

    def set_filter(self, lexname, rows):
        allowed = [False] * self.index.get_current_count()
        for row in rows:
            allowed[row] = True
        self.allows = allowed.__getitem__

    def point(self, params, filtered):
        self.index.set_ef(params["ef"])
        search = self.index.knn_query
        if not filtered:
            return lambda query: search(query, K, 1), lambda hits: hits[0][0].tolist()
        allows = self.allows

        def ask(query):
            try:
                return search(query, K, 1, allows)
            except RuntimeError:  # raised when the graph yields fewer than ten
                return [[None]]

        return ask, lambda hits: [] if hits[0][0] is None else hits[0][0].tolist()


class Faiss(Peer):
    package, module = "faiss-cpu", "faiss"
    note = "inner product of unit vectors; the filter is a bitmap of rows"

    def __init__(self, name, quantised):
        self.name, self.quantised = name, quantised

    def build(self, path, data):
        import faiss

        vectors = data.vectors()
        faiss.omp_set_num_threads(BUILD_THREADS)
        started = time.perf_counter()
        metric = faiss.METRIC_INNER_PRODUCT
        if self.quantised:
            index = faiss.IndexHNSWSQ(DIMENSIONS, faiss.ScalarQuantizer.QT_8bit, M, metric)
        else:
            index = faiss.IndexHNSWFlat(DIMENSIONS, M, metric)
        index.hnsw.efConstruction = EF_CONSTRUCTION
        if self.quantised:
            index.train(vectors)
        index.add(vectors)
        seconds = time.perf_counter() - started
        faiss.write_index(index, str(path / "index"))
        return seconds

    def open(self, path, count):
        import faiss

        faiss.omp_set_num_threads(1)
        self.index = faiss.read_index(str(path / "index"))

    def set_filter(self, lexname, rows):
        import faiss
        import numpy

        allowed = numpy.zeros(self.index.ntotal, dtype=bool)
        allowed[rows] = True
        self.bitmap = numpy.packbits(allowed, bitorder="little")
        self.selector = faiss.IDSelectorBitmap(self.bitmap)

    def point(self, params, filtered):
        import faiss

        more = {"sel": self.selector} if filtered else {}
        options = faiss.SearchParametersHNSW(efSearch=params["ef"], **more)
        search = self.index.search
        return lambda query: search(query, K, params=options), lambda hits: hits[1][0].tolist()


class Lancedb(Peer):
    name = package = module = "lancedb"
    build_params = f"IVF_HNSW_SQ partitions=1 M={M} ef_construction={EF_CONSTRUCTION}"
    note = "asked through the synchronous API; filter before the search, bitmap index on lexname"

    def build(self, path, data):
        import lancedb
        import pyarrow

        vectors, lexnames = data.vectors(), data.lexnames()
        started = time.perf_counter()
        flat = pyarrow.array(vectors.reshape(-1))
        rows = pyarrow.table(
            {
                "id": pyarrow.array(range(len(vectors)), pyarrow.int64()),
                "lexname": lexnames,
                "vector": pyarrow.FixedSizeListArray.from_arrays(flat, DIMENSIONS),
            }
        )
        table = lancedb.connect(str(path)).create_table("rows", rows)
        table.create_index(
            metric="cosine",
            index_type="IVF_HNSW_SQ",
            num_partitions=1,
            m=M,
            ef_construction=EF_CONSTRUCTION,
        )
        table.create_scalar_index("lexname", index_type="BITMAP")
        return time.perf_counter() - started

    def open(self, path, count):
        import lancedb

        self.table = lancedb.connect(str(path)).open_table("rows")

    def set_filter(self, lexname, rows):
        self.where = "lexname = '" + lexname.replace("'", "''") + "'"

    def prepare(self, queries):
        return [row.copy() for row in queries]

    def point(self, params, filtered):
        table, ef = self.table, params["ef"]

        def ask(query):
            # The column of distances is asked for by name: leaving it out is deprecated.
            search = table.search(query).distance_type("cosine").nprobes(1).ef(ef).limit(K).select(["id", "_distance"])
            if filtered:
                search = search.where(self.where, prefilter=True)
            return search.to_arrow()

        return ask, lambda hits: hits["id"].to_pylist()


class SqliteVec(Peer):
    name = package = "sqlite-vec"
    module = "sqlite_vec"
    build_params = "f32, no index"
    note = "exact, through apsw, as the sqlite3 module of Python often cannot load extensions"
    most_queries = EXACT_QUERIES
    sweep = [{"exact": True}]

    def _connect(self, path):
        import apsw
        import sqlite_vec

        connection = apsw.Connection(str(path / "index"))
        connection.enable_load_extension(True)
        connection.load_extension(sqlite_vec.loadable_path())
        return connection

    def build(self, path, data):
        vectors, lexnames = data.vectors(), data.lexnames()
        started = time.perf_counter()
        connection = self._connect(path)
        connection.execute(
            "create virtual table rows using vec0("
            f"vector float[{DIMENSIONS}] distance_metric=cosine, lexname text)"
        )
        with connection:
            connection.executemany(
                "insert into rows (rowid, vector, lexname) values (?, ?, ?)",
                ((row, vectors[row].tobytes(), lexnames[row]) for row in range(len(vectors))),
            )
        connection.close()
        return time.perf_counter() - started

    def open(self, path, count):
        self.connection = self._connect(path)
        self.connection.execute("select count(*) from sqlite_schema").fetchall()

    def prepare(self, queries):
        return [row.tobytes() for row in queries]

    def set_filter(self, lexname, rows):
        self.lexname = lexname

    def point(self, params, filtered):
        execute = self.connection.execute
        statement = f"select rowid, distance from rows where vector match ? and k = {K}"
        if not filtered:
            return lambda query: execute(statement, (query,)).fetchall(), lambda hits: [hit[0] for hit in hits]
        statement += " and lexname = ?"
        return (
            lambda query: execute(statement, (query, self.lexname)).fetchall(),
            lambda hits: [hit[0] for hit in hits],
        )


class QdrantEdge(Peer):
    name, package, module = "qdrant-edge", "qdrant-edge-py", "qdrant_edge"
    build_params = f"f32, one segment, M={M} ef_construction={EF_CONSTRUCTION}"
    note = "scans exactly where fewer than full_scan_threshold = 10,000 kB of vectors match (the default of the engine)"

    def build(self, path, data):
        import qdrant_edge as edge

        vectors, lexnames = data.vectors(), data.lexnames()
        started = time.perf_counter()
        graph = edge.HnswIndexConfig(
            m=M,
            ef_construct=EF_CONSTRUCTION,
            full_scan_threshold=10_000,
            max_indexing_threads=BUILD_THREADS,
        )
        shard = edge.EdgeShard.create(
            str(path / "shard"),
            edge.EdgeConfig(
                vectors=edge.EdgeVectorParams(size=DIMENSIONS, distance=edge.Distance.Cosine),
                hnsw_config=graph,
                optimizers=edge.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1_000),
            ),
        )
        shard.update(edge.UpdateOperation.create_field_index("lexname", edge.PayloadSchemaType.Keyword))
        for first in range(0, len(vectors), 1_000):
            rows = range(first, min(first + 1_000, len(vectors)))
            points = [edge.Point(row, vectors[row].tolist(), {"lexname": lexnames[row]}) for row in rows]
            shard.update(edge.UpdateOperation.upsert_points(points))
        shard.optimize()
        shard.flush()
        say(self.name, f"{shard.info().indexed_vectors_count} vectors in the graph, {shard.info().segments_count} segments")
        shard.close()
        return time.perf_counter() - started

    def open(self, path, count):
        import qdrant_edge as edge

        # A configuration has to name its vectors; what it leaves out stays as it was saved.
        vectors = edge.EdgeVectorParams(size=DIMENSIONS, distance=edge.Distance.Cosine)
        config = edge.EdgeConfig(vectors=vectors, max_search_threads=1)
        self.shard = edge.EdgeShard.load(str(path / "shard"), config)

    def prepare(self, queries):
        return [row.tolist() for row in queries]

    def set_filter(self, lexname, rows):
        import qdrant_edge as edge

        match = edge.FieldCondition(key="lexname", match=edge.MatchValue(lexname))
        self.filter = edge.Filter(must=[match])

    def point(self, params, filtered):
        import qdrant_edge as edge

        search, nearest, request = self.shard.query, edge.Query.Nearest, edge.QueryRequest
        more = {"filter": self.filter} if filtered else {}
        options = edge.SearchParams(hnsw_ef=params["ef"])
        return (
            lambda query: search(request(limit=K, query=nearest(query), params=options, **more)),
            lambda hits: [hit.id for hit in hits],
        )


class Tantivy(Peer):
    name = package = module = "tantivy"
    kind = "keyword"
    build_params = "BM25, English stems"
    note = "parsing the words is measured; hits are addresses, records are not fetched; total hits are not counted"
    sweep = [{"words": "any"}]

    def build(self, path, data):
        import tantivy

        texts = data.texts()
        started = time.perf_counter()
        schema = (
            tantivy.SchemaBuilder()
            .add_integer_field("row", stored=True)
            .add_text_field("text", stored=False, tokenizer_name="en_stem")
            .add_text_field("lexname", stored=False, tokenizer_name="raw", index_option="basic")
            .build()
        )
        index = tantivy.Index(schema, path=str(path))
        writer = index.writer(heap_size=256_000_000, num_threads=BUILD_THREADS)
        for row, line in enumerate(texts):
            writer.add_document(tantivy.Document(row=row, text=line["text"], lexname=line["lexname"]))
        writer.commit()
        writer.wait_merging_threads()
        return time.perf_counter() - started

    def open(self, path, count):
        import tantivy

        self.index = tantivy.Index.open(str(path))
        self.index.reload()
        self.searcher = self.index.searcher()

    def prepare(self, queries):
        # Words alone, in lower case: nothing in a question is to be read as an operator.
        return [" ".join(re.findall(r"\w+", text.lower())) for text in queries]

    def set_filter(self, lexname, rows):
        import tantivy

        self.term = tantivy.Query.term_query(self.index.schema, "lexname", lexname, "basic")

    def point(self, params, filtered):
        import tantivy

        parse, search = self.index.parse_query, self.searcher.search
        if not filtered:
            return lambda words: search(parse(words, ["text"]), K, count=False), lambda hits: []
        term = tantivy.Query.const_score_query(self.term, 0.0)
        must, join = tantivy.Occur.Must, tantivy.Query.boolean_query
        return (
            lambda words: search(join([(must, parse(words, ["text"])), (must, term)]), K, count=False),
            lambda hits: [],
        )


PEERS = {
    peer.name: peer
    for peer in (
        Usearch("usearch-i8", "i8"),
        Usearch("usearch-i8-scaled", "i8", scaled=True),
        Usearch("usearch-f32", "f32"),
        Hnswlib(),
        Faiss("faiss-hnsw-flat", quantised=False),
        Faiss("faiss-hnsw-sq8", quantised=True),
        Lancedb(),
        SqliteVec(),
        QdrantEdge(),
        Tantivy(),
    )
}


def pss_mb():
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        pass
    with open("/proc/self/smaps_rollup", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("no Pss in /proc/self/smaps_rollup")


def quantile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(ask, rows_of, queries, truth, budget):
    """Ask one question at a time until all are asked or the budget of seconds is spent (after at least 20)."""
    for query in queries[:WARM_QUERIES]:
        ask(query)
    now = time.perf_counter_ns
    nanoseconds, shares = [], []
    deadline = time.perf_counter() + budget
    gc.disable()
    for number, query in enumerate(queries):
        started = now()
        hits = ask(query)
        nanoseconds.append(now() - started)
        if truth is not None and truth[number]:
            right = set(truth[number][:K])
            shares.append(len(right.intersection(rows_of(hits))) / len(right))
        if number >= 19 and time.perf_counter() > deadline:
            break
    gc.enable()
    total = sum(nanoseconds)
    ordered = sorted(nanoseconds)
    return {
        "recall": statistics.fmean(shares) if shares else None,
        "p50_ms": quantile(ordered, 0.50) / 1e6,
        "p95_ms": quantile(ordered, 0.95) / 1e6,
        "p99_ms": quantile(ordered, 0.99) / 1e6,
        "qps": len(ordered) * 1e9 / total,
        "queries": len(ordered),
    }


def name_of(params):
    return " ".join(f"{key}={value}" if value is not True else key for key, value in params.items())


def best_filtered(points):
    good = [point for point in points if point["recall"] is None or point["recall"] >= ENOUGH_RECALL]
    if good:
        return min(good, key=lambda point: point["p50_ms"])
    return max(points, key=lambda point: point["recall"])


def child_build(peer, path, data, write, budget):
    seconds = peer.build(path, data)
    # Blocks in use: some engines set aside long files they have not written yet.
    blocks = sum(file.stat().st_blocks for file in path.rglob("*") if file.is_file())
    write({"build_s": seconds, "index_mb": blocks * 512 / 1e6})


def pin():
    """To one core, the last the process may use: interrupts and whatever starts first prefer the first.

    Call it before the engine is imported: it holds for this thread and the threads started after it, not for others.
    """
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def timed_open(peer, path, count):
    started = time.perf_counter()
    peer.open(path, count)
    return (time.perf_counter() - started) * 1e3


def child_open(peer, path, data, write, budget):
    write({"open_ms": timed_open(peer, path, data.count())})


def child_search(peer, path, data, write, budget):
    keyword = peer.kind == "keyword"
    count = data.count()
    queries = peer.prepare(data.query_texts() if keyword else data.queries())[: peer.most_queries]
    truth = None if keyword else data.truth()

    before = pss_mb()
    result = {"open_ms": timed_open(peer, path, count)}
    result["memory_mb"] = max(0.0, pss_mb() - before)
    result["points"] = []
    result["filtered"] = None
    if peer.no_filter:
        result["filter_note"] = peer.no_filter
    write(result)

    for params in peer.sweep:
        ask, rows_of = peer.point(params, filtered=False)
        if "first_query_ms" not in result:
            started = time.perf_counter()
            ask(queries[0])
            result["first_query_ms"] = (time.perf_counter() - started) * 1e3
        started = time.perf_counter()
        point = {"params": name_of(params), **measure(ask, rows_of, queries, truth, budget)}
        say(peer.name, f"search {point['params']}", time.perf_counter() - started)
        result["points"].append(point)
        result["memory_after_queries_mb"] = max(0.0, pss_mb() - before)
        write(result)

    if peer.no_filter:
        return
    try:
        lexname, filter_truth = data.filter()
        peer.set_filter(lexname, [row for row, value in enumerate(data.lexnames()) if value == lexname])
        points = []
        for params in peer.sweep:
            ask, rows_of = peer.point(params, filtered=True)
            started = time.perf_counter()
            wanted = None if keyword else filter_truth
            point = {"params": name_of(params), **measure(ask, rows_of, queries, wanted, budget)}
            say(peer.name, f"filtered search {point['params']}", time.perf_counter() - started)
            points.append(point)
        result["filtered_points"] = points
        result["filtered"] = best_filtered(points)
    except Exception:
        result["filter_note"] = traceback.format_exc(limit=-2)
        say(peer.name, "filtered search failed")
    write(result)


STEPS = {"build": child_build, "open": child_open, "search": child_search}


def child(arguments):
    global progress
    progress = sys.stdout
    peer = PEERS[arguments.engine]
    if arguments.step != "build":
        pin()
    importlib.import_module(peer.module)
    if peer.module == "usearch":
        importlib.import_module("usearch.index")

    def write(result):
        # Whole or not at all: the process may be stopped at any time.
        fresh = arguments.out.with_suffix(".new")
        fresh.write_text(json.dumps(result), encoding="utf-8")
        fresh.replace(arguments.out)

    STEPS[arguments.step](peer, arguments.work, Data(arguments.data), write, arguments.point_seconds)


THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "TOKIO_WORKER_THREADS",
    "LANCE_CPU_THREADS",
)


def run_step(step, engine, work, arguments):
    """Run one step in a process of its own; what it wrote, and its error or None."""
    out = work / f"{step}.json"
    threads = BUILD_THREADS if step == "build" else 1
    environment = dict(os.environ, **{name: str(threads) for name in THREAD_VARIABLES})
    command = [sys.executable, __file__, "--step", step, "--engine", engine, "--data", str(arguments.data)]
    command += ["--work", str(work / "index"), "--out", str(out), "--point-seconds", str(arguments.point_seconds)]
    started = time.perf_counter()
    error = None
    complaints = work / f"{step}.stderr"
    with open(complaints, "w+", encoding="utf-8", errors="replace") as stderr:
        process = subprocess.Popen(command, env=environment, stdout=sys.stderr, stderr=stderr)
        try:
            code = process.wait(arguments.step_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
    said = complaints.read_text(encoding="utf-8", errors="replace")
    if code is None:
        error = f"{step} was stopped after {arguments.step_seconds:g} s"
    elif code != 0:
        tail = "\n".join(said.strip().splitlines()[-12:])
        error = f"{step} ended with {code}: {tail}".replace(str(Path(__file__).resolve().parent.parent) + "/", "")
    say(engine, f"{step} {'failed' if error else 'done'}", time.perf_counter() - started)
    result = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    return result, error


def run_engine(peer, count, arguments):
    row = {
        "engine": peer.name,
        "version": None,
        "kind": peer.kind,
        "error": None,
        "build_params": peer.build_params,
        "note": peer.note,
        "search_threads": 1,
        "build_s": None,
        "open_ms": None,
        "memory_mb": None,
        "memory_mb_per_100k": None,
        "points": [],
        "filtered": None,
    }
    try:
        row["version"] = importlib.metadata.version(peer.package)
    except importlib.metadata.PackageNotFoundError:
        row["error"] = f"{peer.package} is not installed"
        say(peer.name, row["error"])
        return row
    work = Path(tempfile.mkdtemp(prefix=f"peer-{peer.name}-", dir=arguments.work))
    try:
        (work / "index").mkdir()
        built, row["error"] = run_step("build", peer.name, work, arguments)
        row.update(built)
        if row["error"]:
            return row
        openings = []
        for _ in range(OPENINGS - 1):
            opened, error = run_step("open", peer.name, work, arguments)
            if error:
                row["error"] = error
                return row
            openings.append(opened["open_ms"])
        searched, row["error"] = run_step("search", peer.name, work, arguments)
        row.update(searched)
        if row["open_ms"] is not None:
            row["open_ms"] = statistics.median([*openings, row["open_ms"]])
        for name in ("memory", "memory_after_queries"):
            if row.get(f"{name}_mb") is not None:
                row[f"{name}_mb_per_100k"] = row[f"{name}_mb"] * 100_000 / count
    except Exception:
        row["error"] = traceback.format_exc()
        say(peer.name, "failed")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return row


def main():
    parser = argparse.ArgumentParser(description="Measure other search engines on the data of Skerry.")
    parser.add_argument("--data", type=Path, required=True, help="folder of vectors, queries and truth")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    parser.add_argument("--engines", help=f"some of {','.join(PEERS)}; all without it")
    parser.add_argument("--work", type=Path, help="folder for indexes, removed engine by engine; a temporary one without it")
    parser.add_argument("--point-seconds", type=float, default=20, help="budget of each point of a sweep")
    parser.add_argument("--step-seconds", type=float, default=1800, help="budget of a build or a whole search")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        child(arguments)
        return
    names = arguments.engines.split(",") if arguments.engines else list(PEERS)
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        parser.error(f"no engine {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
    count = Data(arguments.data).count()
    rows = []
    for name in names:
        started = time.perf_counter()
        rows.append(run_engine(PEERS[name], count, arguments))
        say(name, "all", time.perf_counter() - started)
        # After every engine, so that a run that is stopped leaves what it has.
        arguments.out.write_text(json.dumps({"vectors": count, "engines": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
