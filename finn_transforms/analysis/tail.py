"""The element-wise tail between an integer tensor and the quantizer that follows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.qonnx_ops.bipolar_quant import BipolarQuant
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.analysis.normalization import run_time_statistics
from finn_transforms.analysis.quantizer import Quantizer, read_quantizer
from finn_transforms.ops import UnsupportedOperatorError
from finn_transforms.ops.bounds import Bounds, Operand
from finn_transforms.ops.elementwise import ELEMENTWISE

Ints = NDArray[np.int64]
_ONE_QUANTIZER = "Only constants may be combined with the accumulator; quantize both with one shared quantizer"


@dataclass(frozen=True, eq=False)
class Tail:
    """Element-wise nodes that compute a quantizer's input from one integer value and constants.

    A value inside may be read several times (``x * sigmoid(x)``).

    Attributes:
        source: the integer value.
        nodes: in order of evaluation, without the quantizer.
        end: the quantizer's node.
        quantizer: what it says; its scale is 1.
        channel_axis: axis of ``source`` that per-channel constants run along.
    """

    source: ir.Value
    nodes: tuple[ir.Node, ...]
    end: ir.Node
    quantizer: Quantizer
    channel_axis: int

    @property
    def channels(self) -> int:
        """Number of channels of the source."""
        return static_shape(self.source)[self.channel_axis]

    def points(self, channel: Ints, integers: Ints) -> Ints:
        """Return the quantized integers of flat arrays of channel numbers and integers, float64 in between.

        Raises:
            NoMatchError: a value on the way is not a number.
        """
        for node, value in self._evaluate(channel, integers.astype(np.float64)):
            if (wrong := np.flatnonzero(np.isnan(value))).size:
                # A constant result has no element of its own.
                where = wrong[0] if np.size(value) == channel.size else 0
                raise NoMatchError(
                    f"{node.op_type} {node.name!r} gives NaN in channel {channel[where]} where the accumulator is "
                    f"{integers[where]}",
                    "Check scales and batch norm statistics of that channel for zeros, infinities and NaN",
                )
        # A tail without nodes is the quantizer alone.
        result = value if self.nodes else integers.astype(np.float64)
        return self._quantize(np.broadcast_to(result, channel.shape), channel)

    def bounds(self, channel: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        """Return the lowest and highest quantized integers that `points` may give from ``low`` to ``high``."""
        result: Operand = Bounds(low.astype(np.float64), high.astype(np.float64))
        for _, value in self._evaluate(channel, result):
            result = value
        if not isinstance(result, Bounds):
            result = Bounds(np.broadcast_to(result, channel.shape), np.broadcast_to(result, channel.shape))
        unknown = np.isnan(result.low)
        # Infinity is beyond every code.
        lowest, highest = np.where(unknown, -np.inf, result.low), np.where(unknown, np.inf, result.high)
        return self._quantize(lowest, channel), self._quantize(highest, channel)

    def inner_values(self) -> Iterator[ir.Value]:
        """Yield the source and every value between it and the quantizer."""
        yield self.source
        for node in self.nodes:
            yield from node.outputs

    def _evaluate(self, channel: Ints, x: Operand) -> Iterator[tuple[ir.Node, Operand]]:
        values: dict[ir.Value | None, Operand] = {None: None, self.source: x}
        for node, constants, attributes in self._steps:
            inputs = [
                values[value] if array is None else _gathered(array, channel)
                for value, array in zip(node.inputs, constants, strict=True)
            ]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
                try:
                    result = ELEMENTWISE[node.op_type](attributes, *inputs)
                except UnsupportedOperatorError as error:
                    raise NoMatchError(f"{node.op_type} {node.name!r}: {error}", "Use another activation") from error
            values[node.outputs[0]] = result
            yield node, result

    @cached_property
    def _steps(self) -> list[tuple[ir.Node, list[NDArray[np.float64] | None], dict[str, Any]]]:
        return [
            (node, [self._constant(node, value) for value in node.inputs], attributes_of(node)) for node in self.nodes
        ]

    def _constant(self, node: ir.Node, value: ir.Value | None) -> NDArray[np.float64] | None:
        array = constant(value)
        if array is None:
            return None
        if node.op_type == "BatchNormalization":
            return self._per_channel(node, array.reshape(-1, *[1] * (len(static_shape(self.source)) - 2)))
        if array.ndim > len(static_shape(self.source)):
            raise NoMatchError(
                f"a constant of {node.op_type} {node.name!r} has {array.ndim} axes, more than the accumulator",
                "Use one value per channel",
            )
        return self._per_channel(node, array)

    def _per_channel(self, node: ir.Node, array: NDArray[Any]) -> NDArray[np.float64]:
        axes = varying_axes(array, len(static_shape(self.source)))
        if not axes <= {self.channel_axis} or (axes and array.size != self.channels):
            raise NoMatchError(
                f"a constant of {node.op_type} {node.name!r} varies along another axis than the channels",
                "Use one value per channel",
            )
        return array.reshape(-1).astype(np.float64)

    @cached_property
    def _zero_point(self) -> NDArray[np.float64]:
        return self._per_channel(self.end, self.quantizer.zero_point)

    @cached_property
    def _parameters(self) -> list[NDArray[np.float64]]:
        return [self._per_channel(self.end, parameter) for parameter in self.quantizer.parameters]

    def _quantize(self, values: NDArray[np.float64], channel: Ints) -> Ints:
        operator = self.quantizer.operator
        parameters = [_gathered(parameter, channel) for parameter in self._parameters]
        if isinstance(operator, BipolarQuant):
            return operator.to_integers(values, parameters)
        codes = operator.to_integers(operator.pre_rounding(values, parameters), parameters)
        return codes - _gathered(self._zero_point, channel).astype(np.int64)


def find_tail(quantizer: ir.Node) -> Tail:
    """Walk from a quantizer up to the one integer tensor its input is computed from.

    Raises:
        NoMatchError: there is none or more than one, or something on the way is not element-wise with constants.
    """
    value = quantizer.inputs[0]
    if value is None:
        raise NoMatchError("it has no input", "Repair the file")
    nodes: dict[ir.Node, None] = {}
    sources: dict[ir.Value, None] = {}
    _collect(value, nodes, sources)
    if len(sources) != 1:
        names = ", ".join(repr(source.name) for source in sources)
        raise NoMatchError(f"it depends on {len(sources)} integer tensors ({names})", _ONE_QUANTIZER)
    (source,) = sources
    read = read_quantizer(quantizer)
    if np.any(read.scale != 1):
        raise NoMatchError(f"its scale is {read.scale.ravel()[0]}, not 1", "Run ExtractIntegers first")
    return Tail(source, tuple(nodes), quantizer, read, _channel_axis(source, nodes, quantizer))


def varying_axes(array: NDArray[Any], rank: int) -> set[int]:
    """Return the axes of a tensor of that rank along which a constant that broadcasts to it has several values."""
    return {axis + rank - array.ndim for axis, size in enumerate(array.shape) if size > 1}


def _collect(value: ir.Value, nodes: dict[ir.Node, None], sources: dict[ir.Value, None]) -> None:
    """Add the nodes that a value is computed by, in order of evaluation, and the integer values they start from."""
    pending: list[tuple[ir.Value, bool]] = [(value, False)]
    while pending:
        current, operands_done = pending.pop()
        node = current.producer()
        if integer_datatype(current) is not None:
            sources[current] = None
        elif node is None:
            raise NoMatchError(
                "its input is the graph's input, which is not an integer", "It runs on the host, before the accelerator"
            )
        elif operands_done:
            nodes[node] = None
        elif node not in nodes:
            pending.append((current, True))
            pending += [(operand, False) for operand in reversed(_streamed_inputs(node))]


def _streamed_inputs(node: ir.Node) -> list[ir.Value]:
    if node.op_type not in ELEMENTWISE or node.domain != "":
        if not _computes_with_integers(node):
            raise NoMatchError(
                f"nothing in front of it is an integer, it is computed from the graph's input by {node.op_type} "
                f"{node.name!r}",
                "It runs on the host, before the accelerator",
            )
        if (statistics := run_time_statistics(node)) is not None:
            raise statistics
        raise NoMatchError(
            f"{node.op_type} {node.name!r} between the accumulator and the quantizer is no known element-wise function",
            f"Known are {', '.join(sorted(ELEMENTWISE))}; quantize the input of {node.op_type} as well",
        )
    streamed = [value for value in node.inputs if value is not None and constant(value) is None]
    if not streamed:
        raise NoMatchError(f"{node.op_type} {node.name!r} combines constants only", "Fold the graph's constants")
    return streamed


def _channel_axis(source: ir.Value, nodes: dict[ir.Node, None], quantizer: ir.Node) -> int:
    """Return the axis that constants vary along; without such constants the one that the producer makes channels."""
    rank, producer = len(static_shape(source)), source.producer()
    axes: set[int] = {1} if any(node.op_type == "BatchNormalization" for node in nodes) else set()
    for node in (*nodes, quantizer):
        if node.op_type != "BatchNormalization":
            arrays = (constant(value) for value in node.inputs)
            axes |= set().union(*(varying_axes(array, rank) for array in arrays if array is not None))
    # Hardware streams have their channels second or last.
    if len(axes) == 1 and axes <= {1, rank - 1}:
        return axes.pop()
    return rank - 1 if rank < 3 or (producer is not None and producer.op_type in {"MatMul", "MVAU"}) else 1


def _gathered(array: NDArray[np.float64], channel: Ints) -> NDArray[np.float64]:
    return array[0] if array.size == 1 else array[channel]


def _computes_with_integers(node: ir.Node) -> bool:
    """Tell whether a value in front of a node, constants aside, is annotated with an integer type."""
    seen: set[ir.Value] = set()
    pending = [value for value in node.inputs if value is not None]
    while pending:
        value = pending.pop()
        if value in seen or constant(value) is not None:
            continue
        if integer_datatype(value) is not None:
            return True
        seen.add(value)
        producer = value.producer()
        pending += [] if producer is None else [each for each in producer.inputs if each is not None]
    return False
