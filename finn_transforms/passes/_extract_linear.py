"""Linear layers whose input and weights are integers times factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange, dot_extremes
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import range_of, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError, is_quantizer, static_shape
from finn_transforms.analysis.quantizer import read_quantizer
from finn_transforms.analysis.ranges import hull
from finn_transforms.analysis.weights import rows_of
from finn_transforms.passes._edit import (
    Operator,
    Output,
    add_constant,
    graph_of,
    input_of,
    insert_node,
    integer_type_of,
)
from finn_transforms.passes._scaled import Factor, Scaled, common_unit, per_tensor, scalar, total

Floats = NDArray[np.float32]
Rule = Callable[[ir.Node, Scaled], Scaled]

# Largest factor that a scale per input channel may put into the weights: eight more bits.
_LARGEST_FACTOR: Final = 256


class _Weights:
    """Integer weights of a layer with their scale and the axes of its input and output channels."""

    def __init__(self, node: ir.Node, *, inputs: int, outputs: int) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.integers, scale, self.bipolar = _constant_weights(input_of(node, 1), channel_axis=outputs)
        self.scale = scale.reshape(-1) if scale.size > 1 else scale.reshape(())

    def factor(self, rank: int, channel_axis: int) -> Factor:
        """Return the scale as a factor of the layer's output."""
        shape = [1] * rank
        shape[channel_axis] = -1
        return Factor("Mul", self.scale.reshape(shape) if self.scale.ndim else self.scale)

    def absorb(self, factors: tuple[Factor, ...], channel_axis: int, groups: int = 1) -> tuple[Factor, ...]:
        """Multiply what differs between the input channels of a group into the weights; return what is left.

        Args:
            factors: of the layer's input.
            channel_axis: axis of the input along which they may differ.
            groups: of a convolution, each with input and output channels of its own.

        Raises:
            NoMatchError: the scales of a group's channels are no small multiples of one unit.
        """
        if per_tensor(factors):
            return factors
        size = self.integers.shape[self.inputs]
        scales = np.broadcast_to(_along(total(factors), channel_axis), groups * size).reshape(groups, size)
        units = [common_unit(group) for group in scales]
        multiples = np.array(
            [[int(scale / unit) for scale in group] for group, unit in zip(scales, units, strict=True)]
        )
        if np.abs(multiples).max() > _LARGEST_FACTOR:
            group, channel = (int(index[0]) for index in np.nonzero(np.abs(multiples) > _LARGEST_FACTOR))
            raise NoMatchError(
                f"the scale of its input channel {group * size + channel} is {multiples[group, channel]} times the "
                f"common unit {float(units[group]):.6g} of the channels that are added",
                "Use scales that are powers of two of each other, or one scale for all channels",
            )
        outputs = self.integers.shape[self.outputs] // groups
        shape = [1] * self.integers.ndim
        shape[self.inputs], shape[self.outputs] = size, groups * outputs if groups > 1 else 1
        spread = np.repeat(multiples, outputs, axis=0) if groups > 1 else multiples
        self.integers = self.integers * (spread if self.outputs < self.inputs else spread.T).reshape(shape)
        self.integers = self.integers.astype(np.float32)
        self.bipolar = False
        if groups == 1:
            return (scalar(units[0]),)
        each = np.repeat(np.array([float(unit) for unit in units], dtype=np.float32), outputs)
        return (Factor("Mul", each.reshape((1, -1) + (1,) * (self.integers.ndim - 2))),)


def extract_conv(node: ir.Node, source: Scaled) -> Scaled:
    """Return the integer convolution, dense, grouped or depthwise."""
    weights = _Weights(node, inputs=1, outputs=0)
    groups = attributes_of(node).get("group", 1)
    rank, factors = weights.integers.ndim, source.factors
    if weights.integers.shape[1] == 1 and groups > 1:
        factors = tuple(_repeated(factor, weights.integers.shape[0] // groups, rank) for factor in factors)
    else:
        factors = weights.absorb(factors, 1, groups)
    return Scaled(
        _emit_sum(node, Operator("Conv", attributes_of(node)), source, weights),
        (*factors, weights.factor(rank, 1)),
        _bias(node, (1, -1) + (1,) * (rank - 2)),
    )


def extract_transposed_conv(node: ir.Node, source: Scaled) -> Scaled:
    """Return the integer transposed convolution."""
    attributes = attributes_of(node)
    if attributes.get("group", 1) != 1:
        raise NoMatchError(f"it has {attributes['group']} groups", "Use a dense transposed convolution")
    weights = _Weights(node, inputs=0, outputs=1)
    rank, factors = weights.integers.ndim, weights.absorb(source.factors, 1)
    return Scaled(
        _emit_sum(node, Operator("ConvTranspose", attributes), source, weights),
        (*factors, weights.factor(rank, 1)),
        _bias(node, (1, -1) + (1,) * (rank - 2)),
    )


def extract_matmul(node: ir.Node, source: Scaled) -> Scaled:
    """Return the integer matrix product."""
    weights = _Weights(node, inputs=0, outputs=1)
    if weights.integers.ndim != 2:
        raise NoMatchError(
            f"its weights have shape {weights.integers.shape}", "Only two-dimensional weights become a layer"
        )
    factors = weights.absorb(source.factors, -1)
    rank = len(static_shape(node.outputs[0]))
    return Scaled(_emit_sum(node, Operator("MatMul"), source, weights), (*factors, weights.factor(rank, rank - 1)))


def extract_gemm(node: ir.Node, source: Scaled) -> Scaled:
    """Return the integer matrix product, its bias behind it."""
    attributes = attributes_of(node)
    if (attributes.get("alpha", 1.0), attributes.get("beta", 1.0), attributes.get("transA", 0)) != (1.0, 1.0, 0):
        raise NoMatchError("alpha or beta is not 1, or A is transposed", "Fold the factors into the weights")
    transposed = bool(attributes.get("transB", 0))
    weights = _Weights(node, inputs=int(transposed), outputs=int(not transposed))
    factors = weights.absorb(source.factors, -1)
    if transposed:
        weights.integers = weights.integers.T
    return Scaled(_emit_sum(node, Operator("MatMul"), source, weights), (*factors, weights.factor(2, 1)), _bias(node))


def _emit_sum(node: ir.Node, operator: Operator, source: Scaled, weights: _Weights) -> ir.Value:
    """Insert the integer layer; its output is annotated INT32 as FINN does, or wider where the sums need it."""
    name, integers = _layer_name(node), weights.integers
    box = range_of(integer_type_of(source.integers))
    if any(operator.attributes.get("pads", ())) or operator.attributes.get("auto_pad", "NOTSET") != "NOTSET":
        box = box.union(IntRange(0, 0))
    if operator.op_type == "ConvTranspose":
        rows = integers.swapaxes(0, 1).reshape(integers.shape[1], -1).astype(np.int64)
    else:
        rows = rows_of(integers, convolution=operator.op_type == "Conv")
    needed = smallest_datatype(hull(dot_extremes(rows, box.low, box.high, partial_sums=True)), signed=True)
    values = IntRange(int(integers.min()), int(integers.max()))
    weight_type = "BIPOLAR" if weights.bipolar else smallest_datatype(values, signed=True)
    parameters = add_constant(graph_of(node), f"{name}_weights", integers, weight_type)
    sum_type = "INT32" if needed.bitwidth() <= 32 else needed
    output = Output(f"{name}_acc", static_shape(node.outputs[0]), sum_type)
    return insert_node(node, operator, [source.integers, parameters], output)


def _along(scales: NDArray[Any], channel_axis: int) -> NDArray[Any]:
    """Return scales that vary along one axis only as a vector."""
    # Factors that vary have the rank of their tensor.
    axis = channel_axis % scales.ndim
    if scales.size != scales.shape[axis]:
        raise NoMatchError(
            f"the scales of its input have shape {scales.shape}", "Use one scale per tensor or one per channel"
        )
    return scales.reshape(-1)


def _repeated(factor: Factor, times: int, rank: int) -> Factor:
    if factor.array.size == 1:
        return factor
    vector = np.repeat(_along(factor.array, 1), times)
    return Factor(factor.op_type, vector.reshape((1, -1) + (1,) * (rank - 2)))


def _layer_name(node: ir.Node) -> str:
    """Return the trained layer's name where its weight quantizer bears it, else the name of the node's output."""
    producer = input_of(node, 1).producer()
    while producer is not None and producer.op_type == "Transpose":
        producer = input_of(producer, 0).producer()
    name = "" if producer is None or producer.name is None else producer.name
    return name.removesuffix(".weight_quant") if name.endswith(".weight_quant") else node.outputs[0].name or "layer"


def _constant_weights(value: ir.Value, *, channel_axis: int) -> tuple[Floats, Floats, bool]:
    """Return the integers of quantized constant weights, their scale (per tensor or output channel), if bipolar."""
    producer = value.producer()
    if producer is not None and producer.op_type == "Transpose" and producer.domain == "":
        perm = attributes_of(producer).get("perm", range(len(static_shape(value)))[::-1])
        integers, scale, bipolar = _constant_weights(input_of(producer, 0), channel_axis=perm[channel_axis])
        return integers.transpose(perm), scale, bipolar
    is_constant = constant(value) is not None
    if producer is None or is_constant:
        raise NoMatchError("its weights are not quantized constants", "Give the layer a weight quantizer")
    weights = constant(producer.inputs[0]) if is_quantizer(producer) else None
    if weights is None:
        raise NoMatchError(
            "its weights are computed at run time",
            "Export the model in evaluation mode; a product of two activations stays on the host",
        )
    quantizer = read_quantizer(producer)
    if quantizer.scale.size != 1:
        sizes = [1] * weights.ndim
        sizes[channel_axis] = weights.shape[channel_axis]
        if [*[1] * (weights.ndim - quantizer.scale.ndim), *quantizer.scale.shape] != sizes:
            raise NoMatchError(
                f"its weight scale has shape {quantizer.scale.shape}, expected one per output channel, {tuple(sizes)}",
                "Use a weight quantizer per tensor or per output channel",
            )
    integers = quantizer.integers_of(weights.astype(np.float32))
    return integers, quantizer.scale, producer.op_type == "BipolarQuant"


def _bias(node: ir.Node, shape: tuple[int, ...] | None = None) -> Floats | None:
    """Return the constant bias of a layer; a quantized constant is folded in float32, as runtimes do.

    Args:
        node: the layer.
        shape: to give it, None for its own, which broadcasts to the output.

    Raises:
        NoMatchError: it is computed, or not a number.
    """
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return None
    bias = constant(node.inputs[2])
    producer = node.inputs[2].producer()
    if bias is None and producer is not None and is_quantizer(producer):
        unquantized = constant(producer.inputs[0])
        if unquantized is not None:
            quantizer = read_quantizer(producer)
            bias = quantizer.integers_of(unquantized.astype(np.float32)) * quantizer.scale
    if bias is None:
        raise NoMatchError("its bias is not a constant", "Export the model in evaluation mode")
    bias = np.asarray(bias, dtype=np.float32)
    if np.isnan(bias).any():
        raise NoMatchError(f"its bias {np.flatnonzero(np.isnan(bias))[0]} is not a number", "Train the layer again")
    return bias if shape is None else bias.reshape(shape)


LINEAR: dict[str, Rule] = {
    "Conv": extract_conv,
    "ConvTranspose": extract_transposed_conv,
    "Gemm": extract_gemm,
    "MatMul": extract_matmul,
}
