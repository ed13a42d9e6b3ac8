"""Golden functions of FINN's hardware layers, NHWC, on integers; the batch dimension is free.

FINN's own layers are described for one image (``numInputVectors``); here leading dimensions may be any number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import resolve_datatype

from finn_transforms.ops.convolution import Window, im2col, pad_nhwc
from finn_transforms.ops.shift import UNIT as SHIFT_UNIT
from finn_transforms.ops.shift import folded_weights
from finn_transforms.ops.sparq import SPARQ_LAYERS

Array = NDArray[Any]
Attributes = Mapping[str, Any]


def fm_padding(attributes: Attributes, x: Array) -> Array:
    """Return ``FMPadding``: (N, H, W, C) padded with zeros."""
    return pad_nhwc(x, attributes["Padding"])


def convolution_input_generator(attributes: Attributes, x: Array) -> Array:
    """Return ``ConvolutionInputGenerator``: (N, H, W, C) to (N, OH, OW, KH * KW * C)."""
    kernel, strides, dilations = (tuple(attributes[key]) for key in ("ConvKernelDim", "Stride", "Dilation"))
    columns = im2col(x, Window(kernel=kernel, strides=strides, dilations=dilations))
    return columns.reshape(*columns.shape[:3], -1)


def fm_padding_pixel(attributes: Attributes, x: Array) -> Array:
    """Return ``FMPadding_Pixel``: (N, H, W, C) with ``Stride`` - 1 zeros between neighbours."""
    rows, columns = attributes["Stride"]
    batch, height, width, channels = x.shape
    result = np.zeros((batch, (height - 1) * rows + 1, (width - 1) * columns + 1, channels), dtype=x.dtype)
    result[:, ::rows, ::columns] = x
    return result


def counts_equal_bits(attributes: Attributes) -> bool:
    """Tell whether a unit counts products of 1 between -1s and 1s instead of adding the products."""
    return attributes.get("inputDataType") == attributes.get("weightDataType") == "BIPOLAR"


def mvau(attributes: Attributes, x: Array, weights: Array, thresholds: Array | None = None) -> Array:
    """Return ``MVAU``: (..., MW) times (MW, MH), thresholded unless ``noActivation``.

    Like FINN's, it takes an input of another shape with the same elements, e.g. (N, H, W, C) for MW = H * W * C, as
    the vectors that ``numInputVectors`` says.  Between bipolar inputs and weights, and between bits where
    ``binaryXnorMode`` says so, it counts equal bits: (sum + MW) / 2.
    """
    x = x.reshape(-1, *attributes.get("numInputVectors", [1])[1:], attributes["MW"])
    if attributes.get("binaryXnorMode", 0) and not counts_equal_bits(attributes):
        x, weights = 2 * x - 1, 2 * weights - 1
    accumulated: Array = x @ weights
    if attributes.get("binaryXnorMode", 0) or counts_equal_bits(attributes):
        accumulated = (accumulated + attributes["MW"]) // 2
    return accumulated if thresholds is None else thresholding(attributes, accumulated, thresholds)


def shift_mvau(attributes: Attributes, x: Array, weights: Array, thresholds: Array | None = None) -> Array:
    """Return ``ShiftMVAU``: an `mvau` whose products of input k are shifted left by ``shifts[k]``.

    Raises:
        ValueError: there is not one shift per input, or inputs and weights are signs, which are not shifted.
    """
    if attributes.get("binaryXnorMode", 0) or counts_equal_bits(attributes):
        raise ValueError(f"{SHIFT_UNIT}: expected products, found inputs and weights whose equal bits are counted")
    return mvau(attributes, x, folded_weights(attributes, weights), thresholds)


def vvau(attributes: Attributes, x: Array, weights: Array, thresholds: Array | None = None) -> Array:
    """Return ``VVAU``: windows (N, OH, OW, KH * KW * C) times one kernel per channel (C, 1, KH, KW).

    Bipolar inputs and weights are counted as in `mvau`.
    """
    channels, size = weights.shape[0], int(np.prod(weights.shape[1:]))
    windows = x.reshape(*x.shape[:-1], size, channels)
    accumulated: Array = (windows * weights.reshape(channels, size).T).sum(axis=-2)
    if counts_equal_bits(attributes):
        accumulated = (accumulated + size) // 2
    return accumulated if thresholds is None else thresholding(attributes, accumulated, thresholds)


def thresholding(attributes: Attributes, x: Array, thresholds: Array) -> Array:
    """Return ``Thresholding``: ``ActVal`` plus the number of thresholds (C or 1, steps) that x (..., C) reaches.

    A bipolar output is -1 or 1 for a count of 0 or 1.
    """
    rows = np.broadcast_to(thresholds, (x.shape[-1], thresholds.shape[1]))
    counts = np.empty(x.shape, dtype=np.int64)
    for channel, row in enumerate(rows):
        counts[..., channel] = np.searchsorted(row, x[..., channel], side="right")
    if attributes.get("outputDataType") == "BIPOLAR":
        return np.asarray(2 * counts - 1)
    return np.asarray(counts + attributes.get("ActVal", 0))


def multi_threshold(attributes: Attributes, x: Array, thresholds: Array) -> Array:
    """Return QONNX ``MultiThreshold``, channels second unless ``data_layout`` says NHWC: scaled and shifted counts."""
    is_last = attributes.get("data_layout", "NCHW") in {"NHWC", "NWC", "NC"}
    counts = thresholding({}, x if is_last else np.moveaxis(x, 1, -1), thresholds)
    scaled = counts * attributes.get("out_scale", 1.0) + attributes.get("out_bias", 0.0)
    return np.asarray(scaled if is_last else np.moveaxis(scaled, -1, 1))


def pool(attributes: Attributes, x: Array) -> Array:
    """Return ``Pool``: (N, OH, OW, KH * KW * C) to (N, OH, OW, C).

    ``QuantAvgPool`` drops the lowest bits of the sum, so many that its largest value fits the output's width.

    Raises:
        ValueError: the function is none of FINN's.
    """
    windows = x.reshape(*x.shape[:3], -1, attributes["Channels"])
    function = attributes["Function"]
    if function == "MaxPool":
        return np.asarray(windows.max(axis=3))
    if function == "AccPool":
        return np.asarray(windows.sum(axis=3))
    if function == "AvgPool":
        return np.asarray(windows.mean(axis=3))
    if function != "QuantAvgPool":
        raise ValueError(f"Pool: expected one of FINN's functions, e.g. 'MaxPool', got {function!r}")
    inputs, outputs = (resolve_datatype(attributes[name]).bitwidth() for name in ("InputDataType", "OutputDataType"))
    largest = (2 ** int(inputs) - 1) * windows.shape[3]
    return np.asarray(windows.sum(axis=3) // 2 ** max(largest.bit_length() - int(outputs), 0))


def global_acc_pool(_attributes: Attributes, x: Array) -> Array:
    """Return ``GlobalAccPool``: the sums (N, 1, 1, C) of (N, H, W, C)."""
    return np.asarray(x.sum(axis=(1, 2), keepdims=True))


def upsample_nearest_neighbour(attributes: Attributes, x: Array) -> Array:
    """Return ``UpsampleNearestNeighbour``: every pixel of (N, HI, WI, C) as a block of (HO / HI, WO / WI) pixels."""
    rows, columns = (attributes[f"{axis}O"] // attributes[f"{axis}I"] for axis in ("H", "W"))
    return x.repeat(rows, axis=1).repeat(columns, axis=2)


def label_select(attributes: Attributes, x: Array) -> Array:
    """Return ``LabelSelect``: the places of the ``K`` largest along the last axis, the first of equals first."""
    order = np.argsort(-x.reshape(*x.shape[:-1], -1), axis=-1, kind="stable")
    return order[..., : attributes["K"]]


def streaming_split(attributes: Attributes, _count: int, x: Array) -> tuple[Array, ...]:
    """Return the outputs of ``StreamingSplit``: consecutive channels, ``ChannelsPerStream`` of them each."""
    return tuple(np.split(x, np.cumsum(attributes["ChannelsPerStream"])[:-1], axis=-1))


# Several outputs: called with their number behind the attributes.
HARDWARE_SPLITS: dict[str, Callable[..., tuple[Array, ...]]] = {
    "DuplicateStreams": lambda _, count, x: (x,) * count,
    "StreamingSplit": streaming_split,
}

HARDWARE: dict[str, Callable[..., Array]] = {
    **SPARQ_LAYERS,
    SHIFT_UNIT: shift_mvau,
    "ConvolutionInputGenerator": convolution_input_generator,
    "ElementwiseAdd": lambda _, a, b: a + b,
    "ElementwiseMul": lambda _, a, b: a * b,
    "ElementwiseSub": lambda _, a, b: a - b,
    "FMPadding": fm_padding,
    "FMPadding_Pixel": fm_padding_pixel,
    "GlobalAccPool": global_acc_pool,
    "LabelSelect": label_select,
    "MVAU": mvau,
    "Pool": pool,
    "StreamingConcat": lambda _, *streams: np.concatenate(streams, axis=-1),
    "Thresholding": thresholding,
    "UpsampleNearestNeighbour": upsample_nearest_neighbour,
    "VVAU": vvau,
}
