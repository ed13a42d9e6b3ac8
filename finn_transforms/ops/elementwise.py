"""Element-wise operators in float64: what stands between an accumulator and the next quantizer.

Every function maps a node's attributes and inputs to its output.  Each is written once for points and for intervals:
inputs are arrays, or some of them `Bounds`, and then so is the output.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from finn_transforms.ops.bounds import (
    Array,
    Bounds,
    LibraryFunction,
    Operand,
    choose,
    compare,
    increasing,
    magnitude,
    maximum,
    minimum,
)

Attributes = Mapping[str, Any]


class UnsupportedOperatorError(NotImplementedError):
    """There is no golden function for an operator."""


def _erf(x: Array) -> Array:
    # Neither numpy nor anything the project depends on has it for arrays.
    values = np.asarray(x, dtype=np.float64)
    return np.fromiter(map(math.erf, values.ravel().tolist()), np.float64, values.size).reshape(values.shape)


# Beyond these points float64 rounds the exact value to the limit: 1 - tanh(20) < 1e-17, 1 - erf(6) < 3e-17.
exp = LibraryFunction(np.exp, ((-746.0, 0.0), (710.0, np.inf)))
expm1 = LibraryFunction(np.expm1, ((-40.0, -1.0), (710.0, np.inf)))
log = LibraryFunction(np.log)
log1p = LibraryFunction(np.log1p)
tanh = LibraryFunction(np.tanh, ((-20.0, -1.0), (20.0, 1.0)))
erf = LibraryFunction(_erf, ((-6.0, -1.0), (6.0, 1.0)))


def sigmoid(x: Operand) -> Operand:
    """Return 1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + exp(-x))


def softplus(x: Operand) -> Operand:
    """Return log(1 + exp(x)) in the form that does not overflow."""
    return maximum(x, 0.0) + log1p(exp(-magnitude(x)))


def leaky(x: Operand, slope: Operand) -> Operand:
    """Return x where it is positive, else ``slope * x``, for slopes of any sign."""
    return maximum(x, 0) + slope * minimum(x, 0)


def batch_normalization(attributes: Attributes, *operands: Operand) -> Operand:
    """Return ONNX ``BatchNormalization`` in inference form; the constants broadcast to x.

    Raises:
        UnsupportedOperatorError: it normalizes with the statistics of the batch.
    """
    if attributes.get("training_mode", 0):
        raise UnsupportedOperatorError("expected training_mode = 0; export the model in evaluation mode")
    x, scale, bias, mean, variance = operands
    deviation = np.sqrt(variance + attributes.get("epsilon", 1e-5))
    return (x - mean) / deviation * scale + bias


def clip(_attributes: Attributes, x: Operand, low: Operand = None, high: Operand = None) -> Operand:
    """Return ONNX ``Clip``; an absent limit does not limit."""
    if low is not None:
        x = maximum(x, low)
    return x if high is None else minimum(x, high)


def power(_attributes: Attributes, x: Operand, exponent: Operand) -> Operand:
    """Return ONNX ``Pow`` with one constant exponent: 0.5, 1, 2 or 3.

    Raises:
        UnsupportedOperatorError: the exponent is another one, or computed.
    """
    exponents = np.unique(np.asarray(np.nan if isinstance(exponent, Bounds) else exponent))
    rule = _POWERS.get(float(exponents[0])) if exponents.size == 1 else None
    if rule is None:
        raise UnsupportedOperatorError(
            f"expected Pow with one constant exponent out of {sorted(_POWERS)}, got {exponents[:4].tolist()}"
        )
    return rule(x)


def _square(x: Operand) -> Operand:
    size = magnitude(x)
    return size * size


_POWERS: dict[float, Callable[[Operand], Operand]] = {
    0.5: lambda x: increasing(np.sqrt, x),
    1.0: lambda x: x,
    2.0: _square,
    3.0: lambda x: increasing(lambda y: y * y * y, x),
}


def hard_sigmoid(attributes: Attributes, x: Operand) -> Operand:
    """Return ONNX ``HardSigmoid``."""
    line = x * attributes.get("alpha", 0.2) + attributes.get("beta", 0.5)
    return minimum(maximum(line, 0.0), 1.0)


def exponential_unit(x: Operand, alpha: float, divisor: float = 1.0) -> Operand:
    """Return x where it is positive, else ``alpha * (exp(x / divisor) - 1)``."""
    return maximum(x, 0.0) + alpha * expm1(minimum(x, 0.0) / divisor)


def selu(attributes: Attributes, x: Operand) -> Operand:
    """Return ONNX ``Selu``, whose defaults are the float32 constants of its definition."""
    alpha = attributes.get("alpha", 1.67326319217681884765625)
    gamma = attributes.get("gamma", 1.05070102214813232421875)
    return gamma * exponential_unit(x, alpha)


def gelu(attributes: Attributes, x: Operand) -> Operand:
    """Return ONNX ``Gelu``, exact or approximated by tanh."""
    if attributes.get("approximate", "none") == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * _POWERS[3.0](x))
        return 0.5 * x * (1.0 + tanh(inner))
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2)))


def thresholded_relu(attributes: Attributes, x: Operand) -> Operand:
    """Return ONNX ``ThresholdedRelu``: x where it exceeds alpha, else 0."""
    return choose(compare(np.greater, x - attributes.get("alpha", 1.0)), x, 0.0 * x)


ELEMENTWISE: dict[str, Callable[..., Operand]] = {
    "Abs": lambda _, x: magnitude(x),
    "Add": lambda _, a, b: a + b,
    "BatchNormalization": batch_normalization,
    "Ceil": lambda _, x: increasing(np.ceil, x),
    "Celu": lambda attributes, x: exponential_unit(x, attributes.get("alpha", 1.0), attributes.get("alpha", 1.0)),
    "Clip": clip,
    "Div": lambda _, a, b: a / b,
    "Dropout": lambda _, x, *_rest: x,
    "Elu": lambda attributes, x: exponential_unit(x, attributes.get("alpha", 1.0)),
    "Erf": lambda _, x: erf(x),
    "Exp": lambda _, x: exp(x),
    "Floor": lambda _, x: increasing(np.floor, x),
    "Gelu": gelu,
    "Greater": lambda _, a, b: compare(np.greater, a - b),
    "GreaterOrEqual": lambda _, a, b: compare(np.greater_equal, a - b),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": lambda _, x: x * hard_sigmoid({"alpha": 1 / 6, "beta": 0.5}, x),
    "Identity": lambda _, x: x,
    "LeakyRelu": lambda attributes, x: leaky(x, attributes.get("alpha", 0.01)),
    "Less": lambda _, a, b: compare(np.greater, b - a),
    "LessOrEqual": lambda _, a, b: compare(np.greater_equal, b - a),
    "Log": lambda _, x: log(x),
    "Max": lambda _, *operands: reduce(maximum, operands),
    "Min": lambda _, *operands: reduce(minimum, operands),
    "Mish": lambda _, x: x * tanh(softplus(x)),
    "Mul": lambda _, a, b: a * b,
    "Neg": lambda _, x: -x,
    "PRelu": lambda _, x, slope: leaky(x, slope),
    "Pow": power,
    "Reciprocal": lambda _, x: 1.0 / x,
    "Relu": lambda _, x: maximum(x, 0),
    "Round": lambda _, x: increasing(np.rint, x),
    "Selu": selu,
    "Sigmoid": lambda _, x: sigmoid(x),
    "Sign": lambda _, x: increasing(np.sign, x),
    "Softplus": lambda _, x: softplus(x),
    "Softsign": lambda _, x: x / (1.0 + magnitude(x)),
    "Sqrt": lambda _, x: increasing(np.sqrt, x),
    "Sub": lambda _, a, b: a - b,
    "Tanh": lambda _, x: tanh(x),
    "ThresholdedRelu": thresholded_relu,
    "Where": lambda _, condition, a, b: choose(condition, a, b),
}
