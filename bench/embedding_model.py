#!/usr/bin/env python3
"""The embedding model as other runtimes take it, built from the weights that our own component is packed from.

    python bench/embedding_model.py --model DIR --out DIR

The first DIR has model.safetensors and vocab.txt; the second gets fp32.onnx and int8.onnx for onnxruntime, and
ctranslate2/ and ctranslate2-int8/. The ONNX graphs end with the pooled vector of unit length, so nothing is left to Python;
CTranslate2 ends with the last layer.

The graph is written with the operators that onnxruntime's own optimiser for BERT ends at (onnxruntime.transformers: Attention,
SkipLayerNormalization, BiasGelu, EmbedLayerNormalization), because a peer should run as its makers would run it.
"""

import argparse
import logging
from pathlib import Path

import numpy
from safetensors.numpy import load_file

LAYERS, HEADS, DIMENSIONS = 6, 12, 384
EPSILON = 1e-12


class Graph:
    """An ONNX graph in the making; every node has one output, whose name is returned."""

    def __init__(self):
        self.nodes, self.constants = [], {}

    def constant(self, name, array):
        from onnx import numpy_helper

        self.constants[name] = numpy_helper.from_array(numpy.ascontiguousarray(array), name)
        return name

    def node(self, kind, inputs, domain="", **attributes):
        from onnx import helper

        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output


def linear(graph, weights, name, value):
    """The product without its bias, which the next operator adds."""
    matrix = graph.constant(f"{name}.matrix", weights[f"{name}.weight"].T)
    return graph.node("MatMul", [value, matrix])


def parameters(graph, weights, name):
    return [graph.constant(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias")]


def layer(graph, weights, index, value, mask):
    name = f"encoder.layer.{index}"
    own = f"{name}.attention.self"
    heads = [f"{own}.{part}" for part in ("query", "key", "value")]
    matrix = graph.constant(f"{own}.matrix", numpy.concatenate([weights[f"{head}.weight"].T for head in heads], axis=1))
    bias = graph.constant(f"{own}.bias", numpy.concatenate([weights[f"{head}.bias"] for head in heads]))
    microsoft = "com.microsoft"
    mixed = graph.node("Attention", [value, matrix, bias, mask], microsoft, num_heads=HEADS)

    def add_and_norm(product, skip, dense, norm):
        bias = graph.constant(f"{dense}.bias", weights[f"{dense}.bias"])
        inputs = [product, skip, *parameters(graph, weights, norm), bias]
        return graph.node("SkipLayerNormalization", inputs, microsoft, epsilon=EPSILON)

    dense = f"{name}.attention.output.dense"
    value = add_and_norm(linear(graph, weights, dense, mixed), value, dense, f"{name}.attention.output.LayerNorm")
    dense = f"{name}.intermediate.dense"
    inner = linear(graph, weights, dense, value)
    inner = graph.node("BiasGelu", [inner, graph.constant(f"{dense}.bias", weights[f"{dense}.bias"])], microsoft)
    dense = f"{name}.output.dense"
    return add_and_norm(linear(graph, weights, dense, inner), value, dense, f"{name}.output.LayerNorm")


def onnx_model(weights):
    """Token ids and mask, both int32 of shape (texts, tokens), to vectors of unit length."""
    from onnx import TensorProto, checker, helper

    graph = Graph()
    words = graph.constant("words", weights["embeddings.word_embeddings.weight"])
    # Every token is of the first kind, so its row is added to the positions once and for all.
    kind = weights["embeddings.token_type_embeddings.weight"][0]
    positions = graph.constant("positions", weights["embeddings.position_embeddings.weight"] + kind)
    norm = parameters(graph, weights, "embeddings.LayerNorm")
    embedded = helper.make_node(
        "EmbedLayerNormalization", ["ids", "", words, positions, "", *norm, "mask"], ["embedded", "lengths"],
        name="embed", domain="com.microsoft", epsilon=EPSILON,
    )
    graph.nodes.append(embedded)
    value = "embedded"
    for index in range(LAYERS):
        value = layer(graph, weights, index, value, "lengths")
    last = graph.constant("last", numpy.array([-1], dtype=numpy.int64))
    middle = graph.constant("middle", numpy.array([1], dtype=numpy.int64))
    mask = graph.node("Unsqueeze", [graph.node("Cast", ["mask"], to=TensorProto.FLOAT), last])
    total = graph.node("ReduceSum", [graph.node("Mul", [value, mask]), middle], keepdims=0)
    # The mean's divisor goes away with the norm.
    vector = graph.node("LpNormalization", [total], axis=-1, p=2)
    graph.nodes.append(helper.make_node("Identity", [vector], ["vectors"], name="vectors"))
    ids = [helper.make_tensor_value_info(name, TensorProto.INT32, ["texts", "tokens"]) for name in ("ids", "mask")]
    vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", DIMENSIONS])
    made = helper.make_graph(graph.nodes, "minilm", ids, [vectors], list(graph.constants.values()))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=9)
    checker.check_model(model)
    return model


def quantise(source, target):
    """Weights in int8 with a scale for each column, activations quantised as they come.

    One scale for a whole matrix is no faster and much less accurate (0.95 mean cosine against 0.99), and a reduced range
    is of use only to processors without dot products of int8.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # It advises to run its own preparation of graphs, which has nothing to do for these operators.
    logging.disable(logging.WARNING)
    # Types are not inferred through Microsoft's operators; all of them give floats.
    known = {"DefaultTensorType": 1}
    quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8, extra_options=known)


def ctranslate2_spec(weights, vocabulary):
    """As the converter of CTranslate2 for BERT fills it, which would need torch for the same."""
    from ctranslate2.converters import utils
    from ctranslate2.specs import common_spec, transformer_spec

    encoder = transformer_spec.TransformerEncoderSpec(
        LAYERS, HEADS, pre_norm=False, activation=common_spec.Activation.GELU, layernorm_embedding=True,
        num_source_embeddings=2, embeddings_merge=common_spec.EmbeddingsMerge.ADD,
    )
    encoder.scale_embeddings = False

    def dense(spec, name):
        spec.weight, spec.bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return spec

    def norm(spec, name):
        spec.gamma, spec.beta = weights[f"{name}.weight"], weights[f"{name}.bias"]

    encoder.embeddings[0].weight = weights["embeddings.word_embeddings.weight"]
    encoder.embeddings[1].weight = weights["embeddings.token_type_embeddings.weight"]
    encoder.position_encodings.encodings = weights["embeddings.position_embeddings.weight"]
    norm(encoder.layernorm_embedding, "embeddings.LayerNorm")
    for index, spec in enumerate(encoder.layer):
        name = f"encoder.layer.{index}"
        parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        utils.fuse_linear(spec.self_attention.linear[0], [dense(common_spec.LinearSpec(), part) for part in parts])
        dense(spec.self_attention.linear[1], f"{name}.attention.output.dense")
        norm(spec.self_attention.layer_norm, f"{name}.attention.output.LayerNorm")
        dense(spec.ffn.linear_0, f"{name}.intermediate.dense")
        dense(spec.ffn.linear_1, f"{name}.output.dense")
        norm(spec.ffn.layer_norm, f"{name}.output.LayerNorm")
    spec = transformer_spec.TransformerEncoderModelSpec(encoder)
    spec.register_vocabulary(vocabulary)
    spec.config.unk_token, spec.config.layer_norm_epsilon = "[UNK]", EPSILON
    return spec


def main():
    parser = argparse.ArgumentParser(description="Build the embedding model for other runtimes.")
    parser.add_argument("--model", type=Path, required=True, help="folder with model.safetensors and vocab.txt")
    parser.add_argument("--out", type=Path, required=True, help="folder for the models")
    arguments = parser.parse_args()
    import onnx

    weights = load_file(arguments.model / "model.safetensors")
    arguments.out.mkdir(parents=True, exist_ok=True)
    onnx.save(onnx_model(weights), arguments.out / "fp32.onnx")
    quantise(arguments.out / "fp32.onnx", arguments.out / "int8.onnx")
    vocabulary = (arguments.model / "vocab.txt").read_text(encoding="utf-8").splitlines()
    for name, quantisation in (("ctranslate2", None), ("ctranslate2-int8", "int8")):
        spec = ctranslate2_spec(weights, vocabulary)
        spec.validate()
        spec.optimize(quantization=quantisation)
        (arguments.out / name).mkdir(exist_ok=True)
        spec.save(str(arguments.out / name))


if __name__ == "__main__":
    main()
