"""The element-wise tail between an integer tensor and the quantizer that follows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.ops import evaluate
from finn_transforms.ops.elementwise import ELEMENTWISE


@dataclass(frozen=True)
class Tail:
    """Element-wise nodes from an integer value to a quantizer, the quantizer included.

    Attributes:
        source: the integer value.
        nodes: in order of evaluation.
        channel_axis: axis of ``source`` that per-channel constants run along.
    """

    source: ir.Value
    nodes: tuple[ir.Node, ...]
    channel_axis: int

    @property
    def channels(self) -> int:
        """Number of channels of the source."""
        return static_shape(self.source)[self.channel_axis]

    def function(self) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
        """Return the tail as a function of integers (C, n) to quantized integers (C, n), float64 in between.

        Raises:
            NoMatchError: on calling: a constant varies along another axis than the channels, or a value is no number.
        """
        rank = len(static_shape(self.source))
        shape = [1] * rank
        shape[self.channel_axis] = self.channels
        operands = [[_operand(value) for value in node.inputs] for node in self.nodes]
        attributes = [attributes_of(node) for node in self.nodes]

        def apply(integers: NDArray[np.int64]) -> NDArray[np.float64]:
            channels, samples = integers.shape
            x = integers.T.astype(np.float64).reshape(samples, *shape[1:])
            for node, constants, attribute in zip(self.nodes, operands, attributes, strict=True):
                inputs = [x if operand is _STREAM else operand for operand in constants]
                with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                    x = evaluate(node.op_type, attribute, inputs)
                if x.shape != (samples, *shape[1:]):
                    raise NoMatchError(
                        f"a constant of {node.op_type} {node.name!r} varies along another axis than the channels",
                        "Use one value per channel",
                    )
                if (wrong := np.argwhere(np.isnan(x.reshape(samples, channels)))).size:
                    sample, channel = wrong[0]
                    raise NoMatchError(
                        f"{node.op_type} {node.name!r} gives NaN in channel {channel} where the accumulator is "
                        f"{integers[channel, sample]}",
                        "Check scales and batch norm statistics of that channel for zeros, infinities and NaN",
                    )
            return x.reshape(samples, channels).T

        return apply


_STREAM: Any = object()


def _operand(value: ir.Value | None) -> Any:
    if value is None:
        return None
    array = constant(value)
    return _STREAM if array is None else array.astype(np.float64)


def find_tail(quantizer: ir.Node) -> Tail:
    """Walk from a quantizer up to the integer tensor its input is computed from.

    Raises:
        NoMatchError: there is none, or something on the way is not element-wise with constants.
    """
    nodes = [quantizer]
    value = quantizer.inputs[0]
    while value is not None and integer_datatype(value) is None:
        node = value.producer()
        if node is None:
            raise NoMatchError(
                "its input is the graph's input, which is not an integer", "It runs on the host, before the accelerator"
            )
        nodes.append(node)
        value = _streamed_input(node)
    if value is None:
        raise NoMatchError("it has no input", "Repair the file")
    nodes.reverse()
    return Tail(value, tuple(nodes), _channel_axis(value))


def _streamed_input(node: ir.Node) -> ir.Value:
    if node.op_type not in ELEMENTWISE or node.domain != "":
        raise NoMatchError(
            f"{node.op_type} {node.name!r} between the accumulator and the quantizer is not known to be monotone",
            f"Known are {', '.join(sorted(ELEMENTWISE))}; quantize the input of {node.op_type} as well",
        )
    streamed = [value for value in node.inputs if value is not None and constant(value) is None]
    if len(streamed) != 1:
        raise NoMatchError(
            f"{node.op_type} {node.name!r} combines {len(streamed)} computed tensors",
            "Only constants may be combined with the accumulator; quantize both with one shared quantizer",
        )
    if node.op_type == "Div" and streamed[0] is not node.inputs[0]:
        raise NoMatchError(f"Div {node.name!r} divides by the accumulator", "Divide by a constant instead")
    return streamed[0]


def _channel_axis(value: ir.Value) -> int:
    rank = len(static_shape(value))
    producer = value.producer()
    return rank - 1 if rank < 3 or (producer is not None and producer.op_type == "MatMul") else 1
