"""Turns an accumulator's sign around per channel by negating weights."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import datatype, integer_datatype, range_of, set_datatype, smallest_datatype
from finn_transforms.analysis.matching import is_hardware, layer_type, static_shape
from finn_transforms.analysis.tail import Tail
from finn_transforms.analysis.weights import can_change, counts_matches
from finn_transforms.passes._edit import add_constant, graph_of, input_of, integer_type_of
from finn_transforms.passes._retype import set_type

# Axis of the output channels in the weights.
_WEIGHT_AXIS = {"Conv": 0, "ConvTranspose": 1, "MVAU": 1, "MatMul": 1}


def can_negate(tail: Tail) -> bool:
    """Tell whether the source is a sum with constant weights, and nothing but the tail would see it negated."""
    producer = tail.source.producer()
    if producer is None or layer_type(producer) not in _WEIGHT_AXIS or len(producer.inputs) != 2:
        return False
    weights = constant(producer.inputs[1])
    if weights is None or integer_datatype(input_of(producer, 1)) is None:
        return False
    if is_hardware(producer) and (can_change(producer) or counts_matches(producer)):
        return False
    axis = 1 if layer_type(producer) in {"Conv", "ConvTranspose"} else len(static_shape(tail.source)) - 1
    if axis != tail.channel_axis or weights.shape[_WEIGHT_AXIS[layer_type(producer)]] != tail.channels:
        return False
    readers = {*tail.nodes, tail.end}
    return all(
        not value.is_graph_output() and all(reader in readers for reader, _ in value.uses())
        for value in tail.inner_values()
    )


def negate_weights(producer: ir.Node, channels: NDArray[np.bool_], sums: IntRange) -> None:
    """Negate the weights of some output channels (C,); bipolar weights stay bipolar.

    Args:
        producer: the linear node.
        channels: which ones.
        sums: what the node then gives; its type becomes a wider one where it does not hold that.
    """
    old = input_of(producer, 1)
    weights = np.asarray(constant(old))
    shape = [1] * weights.ndim
    shape[_WEIGHT_AXIS[layer_type(producer)]] = channels.size
    negated = np.where(channels.reshape(shape), -weights, weights) + 0.0  # which turns -0.0 into 0.0
    weight_type = datatype(old)
    if weight_type is None or weight_type.name != "BIPOLAR":
        weight_type = smallest_datatype(IntRange(int(negated.min()), int(negated.max())), signed=True)
    new = add_constant(graph_of(producer), f"{old.name}_signed", negated, weight_type)
    producer.replace_input_with(1, new)
    if is_hardware(producer):
        set_type(producer, "weightDataType", weight_type)
    _widen(producer, sums)


def _widen(producer: ir.Node, sums: IntRange) -> None:
    """Let the output hold ``sums``: an average of unsigned values is annotated with an unsigned sum."""
    held = range_of(integer_type_of(producer.outputs[0]))
    if held.contains(sums):
        return
    wider = smallest_datatype(held.union(sums), signed=True)
    set_datatype(producer.outputs[0], wider)
    if is_hardware(producer):
        for attribute in ("accDataType", "outputDataType"):
            set_type(producer, attribute, wider)
