"""Golden functions of FINN's hardware layers, NHWC, on integers; the batch dimension is free.

FINN's own layers are described for one image (``numInputVectors``); here leading dimensions may be any number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finn_transforms.ops.convolution import Window, im2col, pad_nhwc

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


def mvau(attributes: Attributes, x: Array, weights: Array, thresholds: Array | None = None) -> Array:
    """Return ``MVAU``: (..., MW) times (MW, MH), thresholded unless ``noActivation``.

    Like FINN's, it takes an input of another shape with the same elements, e.g. (N, H, W, C) for MW = H * W * C, as
    the vectors that ``numInputVectors`` says.

    Raises:
        ValueError: the unit counts equal bits instead of adding products.
    """
    if attributes.get("binaryXnorMode", 0) or attributes.get("inputDataType") == "BIPOLAR":
        raise ValueError("MVAU: expected a sum of products, got one that counts equal bits")
    x = x.reshape(-1, *attributes.get("numInputVectors", [1])[1:], attributes["MW"])
    accumulated: Array = x @ weights
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


def pool(attributes: Attributes, x: Array) -> Array:
    """Return ``Pool`` with function ``MaxPool``: (N, OH, OW, KH * KW * C) to (N, OH, OW, C)."""
    if attributes["Function"] != "MaxPool":
        raise ValueError(f"Pool: expected function 'MaxPool', got {attributes['Function']!r}")
    return np.asarray(x.reshape(*x.shape[:3], -1, attributes["Channels"]).max(axis=3))


HARDWARE: dict[str, Callable[..., Array]] = {
    "ConvolutionInputGenerator": convolution_input_generator,
    "FMPadding": fm_padding,
    "MVAU": mvau,
    "Pool": pool,
    "Thresholding": thresholding,
}
