"""One small network with an accumulator contract, as an exported file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from brevitas_ext.qonnx_ops import METADATA_KEY, AccumulatorContract, LayerContract, channel_digests
from tests.support.graphs import GraphBuilder

IMAGE = (1, 3, 8, 8)
CONTRACT_LAYER = "conv2"
CONTRACT_BITS = 13


def _integers(rng: np.random.Generator, *shape: int) -> NDArray[np.int64]:
    return rng.integers(-7, 8, size=shape)


def small_network(*, tamper: bool = False, contract: bool = True) -> onnx.ModelProto:
    """Return 3 x 8 x 8 images -> conv 3x3 -> max pool -> conv 3x3 -> linear to 10; the second convolution has P = 13.

    Args:
        tamper: change one weight of the second convolution after its promise was made.
        contract: attach the promise.
    """
    rng = np.random.default_rng(7)
    first, second, last = _integers(rng, 8, 3, 3, 3), _integers(rng, 8, 8, 3, 3), _integers(rng, 128, 10)
    promise = LayerContract(
        layer=CONTRACT_LAYER,
        accumulator_bits=CONTRACT_BITS,
        bound="a2q",
        overflow="any_order",
        input_low=0,
        input_high=15,
        channel_digests=channel_digests(second.reshape(8, -1)),
    )
    if tamper:
        second[5, 2, 1, 1] = 7 if second[5, 2, 1, 1] != 7 else -7
    graph = GraphBuilder(IMAGE)
    x = graph.quant("x", 1 / 255, 8)
    x = graph.node("Conv", [x, graph.weights(first, 0.01, bits=4)], kernel_shape=[3, 3], pads=[1] * 4)
    x = graph.batch_norm(x, rng.normal(size=8), rng.normal(size=8))
    x = graph.quant(graph.node("Relu", [x]), 0.05, 4)
    x = graph.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = graph.node("Conv", [x, graph.weights(second, 0.01, bits=4)], kernel_shape=[3, 3], pads=[1] * 4)
    x = graph.quant(graph.node("Relu", [x]), 0.05, 4)
    x = graph.node("Flatten", [x], axis=1)
    x = graph.node("MatMul", [x, graph.weights(last, 0.01, bits=4)])
    metadata = {METADATA_KEY: AccumulatorContract(layers=(promise,)).to_json()} if contract else {}
    return graph.proto(x, metadata=metadata)


def save_small_network(path: Path, **options: Any) -> Path:
    """Write `small_network` to a file and return its path."""
    onnx.save(small_network(**options), path)
    return path
