"""Matrix-vector units and what follows them, on onnxruntime's integer kernels where they are proven equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from finn_transforms.emulate.compiled.builder import CONTRIB, Builder
from finn_transforms.emulate.compiled.host import clip
from finn_transforms.emulate.compiled.requantize import INT8_HIGHEST, fit_requantization, stored_weights
from finn_transforms.emulate.compiled.steps import Steps
from finn_transforms.emulate.compiled.stream import UINT8_HIGHEST, Stream, check_float32, float32, zero_code

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dot:
    """Sums of products of a layer's input codes: ``codes @ weights * factor + constants``.

    Attributes:
        name: of the layer.
        source: its input, with pending padding and window.
        weights: (K, C) integers that meet the input's values; of a depthwise layer (KH * KW, C).
        low: (C,) lowest sum (or number of equal bits) that occurs.
        high: (C,) highest one.
        depthwise: whether every output sees one channel.
        counts_matches: whether the layer gives the number of equal bits instead of the sum.
    """

    name: str
    source: Stream
    weights: Ints
    low: Ints
    high: Ints
    depthwise: bool = False
    counts_matches: bool = False

    def code_weights(self) -> tuple[Ints, Ints]:
        """Return weights (K, C) and constants (C,) for the input's uint8 codes."""
        totals = self.weights.sum(axis=0)
        if self.counts_matches:
            # p = (sum + K) / 2 with inputs 2 u - 1.
            return self.weights, (len(self.weights) - totals) // 2
        return self.weights * self.source.factor, totals * self.source.offset


def thresholded_dot(builder: Builder, dot: Dot, thresholds: Ints) -> Stream | None:
    """Add a layer and its thresholds as one integer kernel, or return None where none is proven equal.

    Returns:
        uint8 counts, their range from 0.
    """
    source = dot.source
    if source.kind != "uint8" or (dot.depthwise and source.window is None):
        return None
    # Padding adds the integer 0, whose code the kernel has to know.
    zero = None if dot.counts_matches else zero_code(source)
    if any(source.pads) and zero is None:
        return None
    weights, constants = dot.code_weights()
    if zero is not None:
        constants = np.zeros_like(constants)
    steps = Steps(thresholds=thresholds, low=dot.low, high=dot.high)
    found = fit_requantization(weights, constants, source.highest_code, steps)
    if found is None:
        return None
    one, nothing = builder.constant(np.float32(1)), builder.constant(np.uint8(0))
    matrix = found.weights if _is_matrix(source) else _kernel(found.weights, source, depthwise=dot.depthwise)
    data = [source.name, one, builder.constant(np.uint8(zero or 0))]
    parameters = [builder.constant(matrix), builder.constant(found.scales)]
    parameters.append(builder.constant(found.zero))
    bias, result = builder.constant(found.biases), [one, nothing]
    if _is_matrix(source):
        code = builder.node("QGemm", [*data, *parameters, bias, *result], CONTRIB)
    else:
        code = builder.node(
            "QLinearConv", [*data, *parameters, *result, bias], CONTRIB, channels_last=1, **_window(dot)
        )
    count = thresholds.shape[1]
    code = clip(builder, code, UINT8_HIGHEST, count)
    lowest, highest = steps.reached()
    return Stream(name=code, kind="uint8", rank=source.rank, low=lowest, high=highest)


def plain_dot(builder: Builder, dot: Dot) -> Stream:
    """Add a layer that gives its sums in float32.

    Raises:
        CannotCompileError: a partial sum may pass 2**24.
    """
    box = dot.source.integers
    largest = int(np.abs(dot.weights).sum(axis=0).max(initial=0)) * max(-box.low, box.high)
    check_float32(IntRange(-largest, largest), dot.name)
    name = None if dot.depthwise else _integer_matrix(builder, dot)
    name = name or _float_layer(builder, dot)
    return Stream(name=name, kind="float32", rank=dot.source.rank, low=dot.low, high=dot.high)


def _integer_matrix(builder: Builder, dot: Dot) -> str | None:
    """Add a matrix product of codes, or return None where the kernel does not apply."""
    source = dot.source
    weights, constants = dot.code_weights()
    if source.kind != "uint8" or not _is_matrix(source) or np.abs(weights).max(initial=0) > INT8_HIGHEST:
        return None
    matrix, zero = stored_weights(weights, source.highest_code)
    one, nothing = builder.constant(np.float32(1)), builder.constant(np.uint8(0))
    parameters = [matrix, np.ones(len(constants), np.float32), zero, constants.astype(np.int32)]
    operands = [source.name, one, nothing, *(builder.constant(array) for array in parameters)]
    return builder.node("QGemm", operands, CONTRIB)


def _float_layer(builder: Builder, dot: Dot) -> str:
    source = float32(builder, dot.source)
    weights = dot.weights.astype(np.float32)
    if dot.depthwise and source.window is None:
        # The windows are cut already: (..., KH * KW * C).
        shape = builder.constant(np.array([0] * (source.rank - 1) + list(weights.shape), np.int64))
        products = builder.node("Mul", [builder.node("Reshape", [source.name, shape]), builder.constant(weights)])
        axes = builder.constant(np.array([source.rank - 1], np.int64))
        name = builder.node("ReduceSum", [products, axes], keepdims=0)
    elif _is_matrix(source):
        name = builder.node("MatMul", [source.name, builder.constant(weights)])
    else:
        first = builder.node("Transpose", [source.name], perm=[0, 3, 1, 2])
        kernel = builder.constant(_kernel(weights, source, depthwise=dot.depthwise))
        name = builder.node("Transpose", [builder.node("Conv", [first, kernel], **_window(dot))], perm=[0, 2, 3, 1])
    if not dot.counts_matches:
        return name
    twice = builder.node("Add", [name, builder.constant(np.float32(len(weights)))])
    return builder.node("Mul", [twice, builder.constant(np.float32(0.5))])


def _is_matrix(source: Stream) -> bool:
    return source.rank == 2


def _kernel(weights: NDArray[Any], source: Stream, *, depthwise: bool) -> NDArray[Any]:
    """Return (K, C) with rows in the order (KH, KW, channel) as (C, channels, KH, KW)."""
    height, width = (1, 1) if source.window is None else source.window.kernel
    if depthwise:
        return np.ascontiguousarray(weights.T.reshape(-1, 1, height, width))
    return np.ascontiguousarray(weights.reshape(height, width, -1, weights.shape[1]).transpose(3, 2, 0, 1))


def _window(dot: Dot) -> Mapping[str, Any]:
    window = dot.source.window
    if window is None:
        return {"kernel_shape": [1, 1], "pads": list(dot.source.pads)}
    return {
        "kernel_shape": list(window.kernel),
        "strides": list(window.strides),
        "dilations": list(window.dilations),
        "pads": list(dot.source.pads),
        "group": dot.weights.shape[1] if dot.depthwise else 1,
    }


def with_offset(stream: Stream, *, factor: int, offset: int) -> Stream:
    """Return counts from 0 as the stream of ``factor * count + offset``."""
    low, high = stream.extremes()
    return replace(stream, factor=factor, offset=offset, low=factor * low + offset, high=factor * high + offset)
