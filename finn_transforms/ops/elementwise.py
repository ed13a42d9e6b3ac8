"""Element-wise operators in float64: what stands between an accumulator and the next quantizer.

Every function maps arrays to an array; each is monotone in its first argument when the others are constants, and so is
its floating-point evaluation, because IEEE rounding is monotone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Attributes = Mapping[str, Any]


def batch_normalization(attributes: Attributes, *arrays: Array) -> Array:
    """Return ONNX ``BatchNormalization`` in inference form over axis 1."""
    x, scale, bias, mean, variance = arrays
    shape = (1, -1) + (1,) * (x.ndim - 2)
    deviation = np.sqrt(variance + attributes.get("epsilon", 1e-5))
    result: Array = (x - mean.reshape(shape)) / deviation.reshape(shape) * scale.reshape(shape) + bias.reshape(shape)
    return result


def clip(_attributes: Attributes, x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    """Return ONNX ``Clip``; an absent limit does not limit."""
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


ELEMENTWISE: dict[str, Callable[..., Array]] = {
    "Add": lambda _, a, b: a + b,
    "BatchNormalization": batch_normalization,
    "Clip": clip,
    "Div": lambda _, a, b: a / b,
    "Dropout": lambda _, x, *_rest: x,
    "Identity": lambda _, x: x,
    "Mul": lambda _, a, b: a * b,
    "Neg": lambda _, x: -x,
    "Relu": lambda _, x: np.maximum(x, 0),
    "Sub": lambda _, a, b: a - b,
}
