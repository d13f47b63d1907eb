"""The example against what our own host answered: `python -m unittest`, with SKERRY_FIXTURE and SKERRY_COMPONENTS set."""

import hashlib
import json
import os
import struct
import unittest

from skerry_example import embed, open_all, read_snapshot, search, unwrap

FIXTURE = os.environ["SKERRY_FIXTURE"]
MODEL = os.path.join(os.environ["SKERRY_COMPONENTS"], "embedding.wasm")


def fixture(name):
    with open(os.path.join(FIXTURE, name), "rb") as file:
        return file.read()


class ExampleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.expected = json.loads(fixture("expected.json"))
        cls.manifest, cls.segment, cls.model = open_all(os.path.join(FIXTURE, "docs.wasm"), MODEL)

    def test_vectors_have_the_bits_that_every_host_gives(self):
        digest = hashlib.sha256()
        for texts in self.expected["calls"]:
            for vector in embed(self.model, texts):
                digest.update(struct.pack(f"<{len(vector)}f", *vector))
        self.assertEqual(digest.hexdigest(), self.expected["digest"])

    def test_answers_are_those_of_our_host(self):
        plain = [asked for asked in self.expected["queries"] if set(asked["query"]) <= {"text", "k", "mode"}]
        self.assertEqual(len(plain), 3)
        for asked in plain:
            query, mode = asked["query"], asked["query"].get("mode", "hybrid")
            text = None if mode == "vector" else query["text"]
            vector = None if mode == "keyword" else embed(self.model, [query["text"]])[0]
            answer = search(self.segment, text, vector, query["k"])
            wanted = asked["expected"]["hits"][: query["k"]]
            self.assertEqual([hit.key for hit in answer.hits], [hit["key"] for hit in wanted])
            self.assertEqual([hit.score for hit in answer.hits], [hit["score"] for hit in wanted])
            self.assertEqual([json.loads(bytes(hit.payload)) for hit in answer.hits], [hit["record"] for hit in wanted])

    def test_errors_are_raised(self):
        with self.assertRaisesRegex(ValueError, "k-out-of-range"):
            search(self.segment, "words", None, 0)
        with self.assertRaises(ValueError):
            unwrap(self.model.call("skerry:embedding/embedder@0.1.0", "split", "a text", 1, 0))

    def test_a_changed_snapshot_is_refused(self):
        whole = fixture("docs.wasm")
        manifest, parts = read_snapshot(whole)
        self.assertEqual((manifest["records"], list(parts)), (len(self.expected["records"]), ["query"]))
        changed = bytearray(whole)
        changed[len(changed) // 2] ^= 1
        with self.assertRaisesRegex(ValueError, "changed or damaged"):
            read_snapshot(bytes(changed))

    def test_parts_of_a_snapshot_with_its_model_are_found(self):
        manifest, parts = read_snapshot(fixture("docs-model.wasm"))
        self.assertEqual(list(parts), ["query", "embedding"])


if __name__ == "__main__":
    unittest.main()
