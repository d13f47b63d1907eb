#!/usr/bin/env python3
"""One other embedding runtime in a process of its own, for `cargo xtask bench --embedding`.

    python bench/embedding_peers.py --engine NAME --models DIR --tokenizer FILE --threads N

DIR is what bench/embedding_model.py made. A line of JSON in, a line of JSON out:

- {"texts": [..], "call": n} embeds the texts with n in a call and answers {"ns": [..], "tokens": [..]}, the time of
  each call and the tokens of each text. A call takes texts and ends with their vectors of unit length in an array of numpy;
  the tokenizer is in it. With "vectors": true they are in the answer.
- {"pss": true} answers {"pss_bytes": n}.

How a call with several texts is run is a matter of the engine: onnxruntime in padded runs of up to 32 texts of similar length,
fastembed-style in padded runs of 32 in the order they came, CTranslate2 by its own batching.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

TOKENS_MAX = 256
RUN_TEXTS = 32


class OnnxRuntime:
    def __init__(self, models, threads, file, ordered):
        import numpy
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that go on spinning after a run would cost whoever is measured next.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(models / file, options, providers=["CPUExecutionProvider"])
        self.numpy, self.ordered = numpy, ordered

    def embed(self, encodings):
        numpy = self.numpy
        order = list(range(len(encodings)))
        if self.ordered:
            order.sort(key=lambda row: len(encodings[row]))
        vectors = numpy.empty((len(encodings), 384), dtype=numpy.float32)
        for first in range(0, len(order), RUN_TEXTS):
            rows = order[first : first + RUN_TEXTS]
            ids = numpy.zeros((len(rows), max(len(encodings[row]) for row in rows)), dtype=numpy.int32)
            mask = numpy.zeros_like(ids)
            for place, row in enumerate(rows):
                length = len(encodings[row])
                ids[place, :length], mask[place, :length] = encodings[row], 1
            vectors[rows] = self.session.run(None, {"ids": ids, "mask": mask})[0]
        return vectors


class CTranslate2:
    def __init__(self, models, threads, file, compute_type):
        import ctranslate2
        import numpy

        self.encoder = ctranslate2.Encoder(
            str(models / file), intra_threads=threads, inter_threads=1, compute_type=compute_type
        )
        self.numpy = numpy

    def embed(self, encodings):
        numpy = self.numpy
        states = numpy.asarray(self.encoder.forward_batch(encodings).last_hidden_state)
        lengths = numpy.array([len(encoding) for encoding in encodings])
        mask = numpy.arange(states.shape[1]) < lengths[:, None]
        total = numpy.einsum("ijk,ij->ik", states, mask.astype(numpy.float32))
        return total / numpy.linalg.norm(total, axis=1, keepdims=True)


ENGINES = {
    "onnxruntime-fp32": (OnnxRuntime, {"file": "fp32.onnx", "ordered": True}),
    "onnxruntime-int8": (OnnxRuntime, {"file": "int8.onnx", "ordered": True}),
    "fastembed-style": (OnnxRuntime, {"file": "fp32.onnx", "ordered": False}),
    "ctranslate2-fp32": (CTranslate2, {"file": "ctranslate2", "compute_type": "float32"}),
    "ctranslate2-int8": (CTranslate2, {"file": "ctranslate2-int8", "compute_type": "int8"}),
}


def tokenizer_of(file):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.enable_truncation(TOKENS_MAX)
    tokenizer.no_padding()
    return tokenizer


def pss_bytes():
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell Pss")


def main():
    parser = argparse.ArgumentParser(description="Embed texts with another runtime and say how long it took.")
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--models", type=Path, required=True, help="folder that bench/embedding_model.py wrote")
    parser.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.json of the model")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    # Before the libraries are imported, which read them then.
    os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if arguments.threads > 1 else "false"
    make, options = ENGINES[arguments.engine]
    engine = make(arguments.models, arguments.threads, **options)
    tokenizer = tokenizer_of(arguments.tokenizer)

    def embed(texts):
        encode = tokenizer.encode_batch_fast if len(texts) > 1 else lambda texts: [tokenizer.encode(texts[0])]
        encodings = [encoding.ids for encoding in encode(texts)]
        return encodings, engine.embed(encodings)

    for line in sys.stdin:
        request = json.loads(line)
        if request.get("pss"):
            answer = {"pss_bytes": pss_bytes()}
        else:
            texts, call = request["texts"], request["call"]
            answer = {"ns": [], "tokens": [], "vectors": []}
            for first in range(0, len(texts), call):
                started = time.perf_counter_ns()
                encodings, vectors = embed(texts[first : first + call])
                answer["ns"].append(time.perf_counter_ns() - started)
                answer["tokens"] += [len(ids) for ids in encodings]
                if request.get("vectors"):
                    answer["vectors"] += vectors.tolist()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
