"""Searches a snapshot from Python: the same component, the same bits and the same answers as everywhere else.

    pip install -r requirements.txt
    python skerry_example.py cwe.wasm embedding.wasm "memory is used after it was freed"

The snapshot is made by `skerry bake`; embedding.wasm is the model's component, which is in every bundle and npm package. The two
are ordinary WebAssembly components that import nothing, so this needs no library of ours: PyPI's wasmtime runs them.
"""

import hashlib
import json
import sys

from wasmtime import Config, Engine, Store
from wasmtime.component import Component, Linker, Record, Variant


def record(**fields):
    """A WIT record; its fields have dashes where Python has underscores."""
    made = Record()
    made.__dict__.update({name.replace("_", "-"): value for name, value in fields.items()})
    return made


class Instance:
    """A component that runs."""

    def __init__(self, engine, wasm):
        component = Component(engine, wasm)
        self.store = Store(engine)
        self.instance = Linker(engine).instantiate(self.store, component)

    def call(self, interface, function, *arguments):
        at = self.instance.get_export_index(self.store, interface)
        called = self.instance.get_func(self.store, self.instance.get_export_index(self.store, function, at))
        answer = called(self.store, *arguments)
        called.post_return(self.store)
        return answer


def sections(wasm, at=8):
    """The sections of a component: id, where each starts, and its content."""
    while at < len(wasm):
        start, section_id, size, shift = at, wasm[at], 0, 0
        while True:
            at += 1
            size |= (wasm[at] & 0x7F) << shift
            shift += 7
            if wasm[at] < 0x80:
                break
        yield section_id, start, wasm[at + 1 : at + 1 + size]
        at += 1 + size


def read_snapshot(file):
    """The manifest and the parts of a snapshot, which must be what the manifest says."""
    named = b"\x0fskerry-manifest"
    start, manifest = next((at, json.loads(content[16:])) for kind, at, content in sections(file) if kind == 0 and content.startswith(named))
    whole = [file[:start]] if not manifest["has_model"] else [content for kind, _, content in sections(file) if kind == 4]
    digests = {hashlib.sha256(part).hexdigest(): part for part in whole}
    missing = [part["name"] for part in manifest["parts"] if part["sha256"] not in digests]
    if missing:
        raise ValueError(f"the snapshot was changed or damaged: {', '.join(missing)}")
    return manifest, {part["name"]: digests[part["sha256"]] for part in manifest["parts"]}


def embed(model, texts):
    """The vectors of texts."""
    return [embedding.vector for embedding in unwrap(model.call("skerry:embedding/embedder@0.1.0", "embed", texts))]


def search(segment, text, vector, k, filter=()):
    """The best records for words and a vector; either may be None."""
    # Cases that Python can tell apart by their type are passed plainly: a float is the weight of convex fusion.
    request = record(
        text=text, vector=vector, k=k, offset=0, filter=list(filter), fusion=0.8, ef=None, exact=False,
        similarity_min=None, diversity=None, group=None, explain=False,
    )
    return unwrap(segment.call("skerry:query/search@0.1.0", "query", request))


def unwrap(result):
    """The value of a WIT result; its error, which is a variant, is raised."""
    if isinstance(result, Variant):
        raise ValueError(f"{result.tag}: {result.payload}")
    return result


def open_all(snapshot_path, model_path):
    """The manifest, the segment and the model."""
    config = Config()
    config.wasm_component_model = True
    engine = Engine(config)
    with open(snapshot_path, "rb") as file:
        manifest, parts = read_snapshot(file.read())
    with open(model_path, "rb") as file:
        model = Instance(engine, file.read())
    return manifest, Instance(engine, parts["query"]), model


def main():
    snapshot_path, model_path, question = sys.argv[1:]
    manifest, segment, model = open_all(snapshot_path, model_path)
    print(f"{manifest['project']}: {manifest['records']} records at version {manifest['version'][:12]}")
    for hit in search(segment, question, embed(model, [question])[0], 3).hits:
        found = json.loads(bytes(hit.payload)) if hit.payload else {"text": ""}
        print(f"{hit.score:.3f}  {hit.key}  {found['text'][:100]}")


if __name__ == "__main__":
    main()
