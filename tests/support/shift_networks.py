"""A small network as ShiftQuant exports it: quantizers whose channels have scales that differ by powers of two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from brevitas_ext.arith import dot_extremes
from brevitas_ext.qonnx_ops import METADATA_KEY, AccumulatorContract, LayerContract, channel_digests
from tests.support.graphs import GraphBuilder

EXPONENTS = (3, 0, 1, 3, 2, 0, 1, 2)
"""What the scales of the image's channels are above the smallest one, in powers of two."""
HIDDEN_EXPONENTS = (1, 0, 2, 0, 2, 1)
_RNG = np.random.default_rng(6)
CONV_WEIGHTS = _RNG.integers(-7, 8, (6, 8, 3, 3))
LINEAR_WEIGHTS = _RNG.integers(-7, 8, (6 * 16, 5))


def shift_network(
    exponents: Sequence[int] = EXPONENTS, hidden: Sequence[int] = HIDDEN_EXPONENTS, *, contract_bits: int | None = None
) -> ir.Model:
    """Return a padded convolution of (1, 8, 4, 4) and a linear layer, both of 4-bit weights.

    Args:
        exponents: of the channels of the image.
        hidden: of the channels behind the convolution.
        contract_bits: width that is promised for the accumulator of the convolution; None for no promise.
    """
    graph = GraphBuilder((1, 8, 4, 4))
    x = graph.quant("x", 2.0 ** (np.reshape(exponents, (1, 8, 1, 1)) - 6), 4, signed=True)
    x = graph.node("Conv", [x, graph.weights(CONV_WEIGHTS, 0.25, bits=4)], pads=[1, 1, 1, 1])
    x = graph.quant(graph.node("Relu", [x]), 2.0 ** (np.reshape(hidden, (1, 6, 1, 1)) - 2), 3)
    x = graph.node("MatMul", [graph.node("Flatten", [x]), graph.weights(LINEAR_WEIGHTS, 0.5, bits=4)])
    if contract_bits is None:
        return graph.model(x)
    rows = shifted_rows(exponents)
    promise = LayerContract(
        layer="conv",
        accumulator_bits=contract_bits,
        bound="a2q",
        overflow="any_order",
        input_low=-8,
        input_high=7,
        channel_digests=channel_digests(rows),
    )
    return graph.model(x, metadata={METADATA_KEY: AccumulatorContract(layers=(promise,)).to_json()})


def shifted_rows(exponents: Sequence[int] = EXPONENTS) -> np.ndarray:
    """Return the convolution's weights (6, 72), shifted, in the order of the file."""
    smallest = min(exponents)
    return (CONV_WEIGHTS << (np.reshape(exponents, (1, 8, 1, 1)) - smallest)).reshape(6, -1)


def needed_bits() -> int:
    """Return the width that the convolution's accumulator needs, signed."""
    low, high = dot_extremes(shifted_rows(), -8, 7, partial_sums=True)
    return 1 + max(int(-low.min() - 1).bit_length(), int(high.max()).bit_length())


def images(count: int = 4) -> np.ndarray:
    """Return images (N, 8, 4, 4) on a fine grid, some of them far beyond what the quantizer holds."""
    rng = np.random.default_rng(7)
    return rng.integers(-600, 600, (count, 8, 4, 4)) / 512
