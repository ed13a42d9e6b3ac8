"""Sliding windows, and the convolution and pooling made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


# What each attribute of a window over a sequence is for a second dimension of size 1.
_NEUTRAL = {"dilations": 1, "kernel_shape": 1, "output_padding": 0, "strides": 1}


def lift_window(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes, for images (N, C, L, 1), of an ONNX operator with a window over sequences (N, C, L)."""
    lifted = {name: [*attributes[name], neutral] for name, neutral in _NEUTRAL.items() if name in attributes}
    if "pads" in attributes:
        begin, end = attributes["pads"]
        lifted["pads"] = [begin, 0, end, 0]
    return {**attributes, **lifted}


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


def average_pool(x: Array, window: Window, *, count_padding: bool) -> Array:
    """Return the ONNX ``AveragePool`` of (N, C, H, W); ``count_padding`` is its ``count_include_pad``."""
    pixels = x.transpose(0, 2, 3, 1)
    sums = im2col(pad_nhwc(pixels, window.pads), window).sum(axis=(3, 4))
    inside = np.ones((1, *pixels.shape[1:3], 1))
    counts = im2col(pad_nhwc(inside, window.pads, float(count_padding)), window).sum(axis=(3, 4))
    # A dilated window may lie in the padding only: a sum of nothing.
    return np.asarray((sums / np.maximum(counts, 1)).transpose(0, 3, 1, 2))


def conv_transpose(
    x: Array, weights: Array, window: Window, groups: int = 1, output_padding: Sequence[int] = (0, 0)
) -> Array:
    """Return the ONNX ``ConvTranspose`` of (N, C, H, W) with (C, O / groups, KH, KW).

    ``window.pads`` are taken off the result, ``output_padding`` (bottom, right) is left on it.
    """
    size = [
        (pixels - 1) * stride + dilation * (kernel - 1) + 1 + extra
        for pixels, stride, dilation, kernel, extra in zip(
            x.shape[2:], window.strides, window.dilations, window.kernel, output_padding, strict=True
        )
    ]
    result = np.zeros((x.shape[0], weights.shape[1] * groups, *size), dtype=np.result_type(x, weights))
    inputs, outputs = weights.shape[0] // groups, weights.shape[1]
    for group, i, j in np.ndindex(groups, *window.kernel):
        channels = slice(group * inputs, (group + 1) * inputs)
        # (N, H, W, O): what each pixel adds to the output at this tap of the kernel.
        added = np.tensordot(x[:, channels], weights[channels, :, i, j], axes=(1, 0))
        top, left = i * window.dilations[0], j * window.dilations[1]
        result[
            :,
            group * outputs : (group + 1) * outputs,
            top : top + (x.shape[2] - 1) * window.strides[0] + 1 : window.strides[0],
            left : left + (x.shape[3] - 1) * window.strides[1] + 1 : window.strides[1],
        ] += added.transpose(0, 3, 1, 2)
    top, left, bottom, right = window.pads
    return result[:, :, top : size[0] - bottom, left : size[1] - right]
