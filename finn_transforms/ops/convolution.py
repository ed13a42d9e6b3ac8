"""Sliding windows, and the convolution and pooling made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A two-dimensional sliding window in ONNX's terms.

    Attributes:
        kernel: (height, width).
        strides: likewise.
        dilations: likewise.
        pads: (top, left, bottom, right).
    """

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) of the output for an input of that size before padding."""
        padded = (height + self.pads[0] + self.pads[2], width + self.pads[1] + self.pads[3])
        spans = (dilation * (size - 1) + 1 for dilation, size in zip(self.dilations, self.kernel, strict=True))
        steps = zip(padded, spans, self.strides, strict=True)
        rows, columns = ((size - span) // stride + 1 for size, span, stride in steps)
        return rows, columns


def pad_nhwc(x: Array, pads: Sequence[int], value: float = 0) -> Array:
    """Pad (N, H, W, C) by (top, left, bottom, right)."""
    top, left, bottom, right = pads
    if not any(pads):
        return x
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)


def im2col(x: Array, window: Window) -> Array:
    """Return the windows of (N, H, W, C), unpadded, as (N, OH, OW, KH, KW, C)."""
    rows, columns = Window(kernel=window.kernel, strides=window.strides, dilations=window.dilations).output_size(
        *x.shape[1:3]
    )
    result = np.empty((x.shape[0], rows, columns, *window.kernel, x.shape[3]), dtype=x.dtype)
    for i, j in np.ndindex(*window.kernel):
        top, left = i * window.dilations[0], j * window.dilations[1]
        result[:, :, :, i, j] = x[
            :,
            top : top + (rows - 1) * window.strides[0] + 1 : window.strides[0],
            left : left + (columns - 1) * window.strides[1] + 1 : window.strides[1],
        ]
    return result


def convolve(x: Array, weights: Array, window: Window, groups: int = 1) -> Array:
    """Return the ONNX ``Conv`` of (N, C, H, W) with (O, C / groups, KH, KW)."""
    columns = im2col(pad_nhwc(x.transpose(0, 2, 3, 1), window.pads), window)
    kernel = weights.transpose(2, 3, 1, 0)
    channels, outputs = weights.shape[1], weights.shape[0] // groups
    parts = [
        np.tensordot(
            columns[..., group * channels : (group + 1) * channels],
            kernel[..., group * outputs : (group + 1) * outputs],
            axes=3,
        )
        for group in range(groups)
    ]
    return np.concatenate(parts, axis=-1).transpose(0, 3, 1, 2)


def max_pool(x: Array, window: Window) -> Array:
    """Return the ONNX ``MaxPool`` of (N, C, H, W)."""
    lowest = np.iinfo(x.dtype).min if x.dtype.kind == "i" else -np.inf
    columns = im2col(pad_nhwc(x.transpose(0, 2, 3, 1), window.pads, lowest), window)
    return np.asarray(columns.max(axis=(3, 4)).transpose(0, 3, 1, 2))
