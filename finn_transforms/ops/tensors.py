"""Operators that move or reduce elements of tensors, in ONNX's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Attributes = Mapping[str, Any]

_FLOAT_TYPES = {1, 10, 11, 16}
_BOOL_TYPE = 9

# ONNX's ways of rounding a coordinate in a nearest-neighbour resize.
_NEAREST: dict[str, Callable[[Fraction], int]] = {
    "round_prefer_floor": lambda at: ceil(at - Fraction(1, 2)),
    "round_prefer_ceil": lambda at: floor(at + Fraction(1, 2)),
    "floor": floor,
    "ceil": ceil,
}


def cast(attributes: Attributes, x: Array) -> Array:
    """Return ONNX ``Cast``; every floating-point type is float64 here."""
    if attributes["to"] in _FLOAT_TYPES:
        return x
    return np.asarray(x != 0) if attributes["to"] == _BOOL_TYPE else np.trunc(x)


def concat(attributes: Attributes, *arrays: Array) -> Array:
    """Return ONNX ``Concat``."""
    return np.concatenate(arrays, axis=attributes["axis"])


def split(attributes: Attributes, count: int, x: Array, sizes: Array | None = None) -> tuple[Array, ...]:
    """Return the ``count`` outputs of ONNX ``Split``: of given sizes, or equal with a smaller last one."""
    axis = attributes.get("axis", 0)
    given = attributes.get("split") if sizes is None else sizes
    if given is None:
        given = [-(-x.shape[axis] // count)] * count
    return tuple(np.split(x, np.cumsum([int(size) for size in given])[:-1], axis=axis))


def slice_(attributes: Attributes, x: Array, *parameters: Array | None) -> Array:
    """Return ONNX ``Slice``: starts, ends, axes and steps as inputs, or as attributes."""
    inputs = dict(zip(("starts", "ends", "axes", "steps"), parameters, strict=False))
    settings: dict[str, Any] = {**attributes, **{key: array for key, array in inputs.items() if array is not None}}
    starts, ends = settings["starts"], settings["ends"]
    axes, steps = settings.get("axes", range(len(starts))), settings.get("steps", [1] * len(starts))
    index = [slice(None)] * x.ndim
    for axis, start, end, step in zip(*(map(int, each) for each in (axes, starts, ends, steps)), strict=True):
        # Counting down, an end in front of the first element cannot be written as a Python index.
        stop = None if step < 0 and end < -x.shape[axis] else end
        index[axis] = slice(start, stop, step)
    return x[tuple(index)]


def pad(
    attributes: Attributes, x: Array, pads: Array | None = None, value: Array | None = None, axes: Array | None = None
) -> Array:
    """Return ONNX ``Pad``: all begins, then all ends; as inputs, or as attributes."""
    amounts = [int(amount) for amount in (attributes["pads"] if pads is None else pads)]
    where = range(x.ndim) if axes is None else [int(axis) for axis in axes]
    widths = [(0, 0)] * x.ndim
    for axis, *width in zip(where, amounts[: len(where)], amounts[len(where) :], strict=True):
        widths[axis] = (width[0], width[1])
    mode = attributes.get("mode", "constant")
    if mode != "constant":
        return np.pad(x, widths, mode=mode)
    constant = attributes.get("value", 0) if value is None or not value.size else value.item()
    return np.pad(x, widths, constant_values=constant)


def nearest_indices(size: int, output: int, scale: Fraction, coordinates: str, rounding: str) -> list[int]:
    """Return, for each index along one axis of a nearest-neighbour ``Resize``, the input index it takes.

    Args:
        size: input size.
        output: output size.
        scale: output over input.
        coordinates: ONNX's ``coordinate_transformation_mode``.
        rounding: ONNX's ``nearest_mode``.

    Raises:
        ValueError: a mode is not known.
    """
    half = Fraction(1, 2)
    positions: dict[str, Callable[[int], Fraction]] = {
        "asymmetric": lambda index: index / scale,
        "half_pixel": lambda index: (index + half) / scale - half,
        "pytorch_half_pixel": lambda index: (index + half) / scale - half if output > 1 else Fraction(0),
        "align_corners": lambda index: Fraction(index * (size - 1), max(output - 1, 1)),
    }
    if coordinates not in positions or rounding not in _NEAREST:
        raise ValueError(
            f"Resize: expected one of {sorted(positions)} and {sorted(_NEAREST)}, got {coordinates!r} and {rounding!r}"
        )
    taken = (_NEAREST[rounding](positions[coordinates](index)) for index in range(output))
    return [min(max(index, 0), size - 1) for index in taken]


def resize_indices(attributes: Attributes, shape: tuple[int, ...], *parameters: Array | None) -> list[list[int]]:
    """Return, for each axis, the indices that a nearest-neighbour ``Resize`` or ``Upsample`` takes.

    Args:
        attributes: of the node.
        shape: of its input.
        parameters: its other inputs: (scales), (roi, scales) or (roi, scales, sizes).

    Raises:
        ValueError: the mode is another one, or neither scales nor sizes are given.
    """
    if attributes.get("mode", "nearest") != "nearest":
        raise ValueError(f"Resize: expected mode 'nearest', got {attributes['mode']!r}")
    scales = parameters[0] if len(parameters) == 1 else parameters[1] if len(parameters) > 1 else None
    sizes = parameters[2] if len(parameters) > 2 else None
    if scales is None or not scales.size:
        if sizes is None:
            raise ValueError("Resize: expected constant scales or sizes, got neither")
        outputs = [int(size) for size in sizes]
        # The batch is free: a file for one image says 1.
        outputs[0] = shape[0] if outputs[0] == 1 else outputs[0]
        factors = [Fraction(output, size) for output, size in zip(outputs, shape, strict=True)]
    else:
        factors = [Fraction(float(scale)) for scale in scales]
        outputs = [floor(size * factor) for size, factor in zip(shape, factors, strict=True)]
    # Upsample and the first Resize take the element at floor(index / scale).
    is_old = len(parameters) == 1
    coordinates = attributes.get("coordinate_transformation_mode", "asymmetric" if is_old else "half_pixel")
    rounding = attributes.get("nearest_mode", "floor" if is_old else "round_prefer_floor")
    return [
        nearest_indices(size, output, factor, coordinates, rounding)
        for size, output, factor in zip(shape, outputs, factors, strict=True)
    ]


def resize(attributes: Attributes, x: Array, *parameters: Array | None) -> Array:
    """Return ONNX ``Resize`` or ``Upsample`` with mode ``nearest``."""
    for axis, indices in enumerate(resize_indices(attributes, x.shape, *parameters)):
        if indices != list(range(x.shape[axis])):
            x = np.take(x, indices, axis=axis)
    return x


def depth_to_space(attributes: Attributes, x: Array) -> Array:
    """Return ONNX ``DepthToSpace`` of (N, C, H, W)."""
    batch, channels, height, width = x.shape
    size = attributes["blocksize"]
    if attributes.get("mode", "DCR") == "DCR":
        blocks = x.reshape(batch, size, size, channels // size**2, height, width).transpose(0, 3, 4, 1, 5, 2)
    else:
        blocks = x.reshape(batch, channels // size**2, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
    return blocks.reshape(batch, channels // size**2, height * size, width * size)


def space_to_depth(attributes: Attributes, x: Array) -> Array:
    """Return ONNX ``SpaceToDepth`` of (N, C, H, W)."""
    batch, channels, height, width = x.shape
    size = attributes["blocksize"]
    blocks = x.reshape(batch, channels, height // size, size, width // size, size).transpose(0, 3, 5, 1, 2, 4)
    return blocks.reshape(batch, channels * size**2, height // size, width // size)


def reduce_axes(attributes: Attributes, rank: int, axes: Array | None = None) -> tuple[int, ...]:
    """Return the axes that ONNX ``ReduceSum`` or ``ReduceMean`` reduces, none of them negative."""
    given = attributes.get("axes") if axes is None else axes
    if given is None or not len(given):
        return () if attributes.get("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(int(axis) % rank for axis in given)


def _reduction(function: Callable[..., Array]) -> Callable[..., Array]:
    def reduced(attributes: Attributes, x: Array, axes: Array | None = None) -> Array:
        along = reduce_axes(attributes, x.ndim, axes)
        return function(x, axis=along, keepdims=bool(attributes.get("keepdims", 1))) if along else x

    return reduced


TENSORS: dict[str, Callable[..., Array]] = {
    "Cast": cast,
    "Concat": concat,
    "DepthToSpace": depth_to_space,
    "Gather": lambda attributes, x, at: np.take(x, np.asarray(at, dtype=np.int64), axis=attributes.get("axis", 0)),
    "GlobalAveragePool": lambda _, x: x.mean(axis=tuple(range(2, x.ndim)), keepdims=True),
    "Pad": pad,
    "ReduceMean": _reduction(np.mean),
    "ReduceSum": _reduction(np.sum),
    "Resize": resize,
    "Shape": lambda _, x: np.array(x.shape),
    "Slice": slice_,
    "SpaceToDepth": space_to_depth,
    "Upsample": resize,
}
