"""Evaluates any operator that has a golden function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brevitas_ext.qonnx_ops.quant import Quant
from brevitas_ext.qonnx_ops.rounding import Rounding
from finn_transforms.ops.convolution import Window, convolve, max_pool
from finn_transforms.ops.elementwise import ELEMENTWISE
from finn_transforms.ops.hardware import HARDWARE

Array = NDArray[Any]
Attributes = Mapping[str, Any]


class UnsupportedOperatorError(NotImplementedError):
    """There is no golden function for an operator."""


def evaluate(op_type: str, attributes: Attributes, inputs: Sequence[Array | None]) -> Array:
    """Return the output of one node.

    Args:
        op_type: the operator; a specialized FINN layer (``MVAU_rtl``) is the layer it specializes.
        attributes: its attributes as Python values.
        inputs: its inputs, None for an absent optional one.

    Raises:
        UnsupportedOperatorError: the operator is not known here.
    """
    name = op_type.removesuffix("_hls").removesuffix("_rtl")
    function = _OPERATORS.get(name)
    if function is None:
        raise UnsupportedOperatorError(f"no golden function for operator {op_type!r}; known: {sorted(_OPERATORS)}")
    return function(attributes, *inputs)


def _window(attributes: Attributes, kernel: Sequence[int]) -> Window:
    if attributes.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"} or attributes.get("ceil_mode", 0):
        raise UnsupportedOperatorError("expected explicit pads and ceil_mode = 0")
    rows, columns = kernel
    return Window(
        kernel=(rows, columns),
        strides=tuple(attributes.get("strides", (1, 1))),
        dilations=tuple(attributes.get("dilations", (1, 1))),
        pads=tuple(attributes.get("pads", (0, 0, 0, 0))),
    )


def _conv(attributes: Attributes, x: Array, weights: Array, bias: Array | None = None) -> Array:
    result = convolve(x, weights, _window(attributes, weights.shape[2:]), attributes.get("group", 1))
    return result if bias is None else result + bias.reshape(1, -1, 1, 1)


def _gemm(attributes: Attributes, a: Array, b: Array, c: Array | None = None) -> Array:
    left, right = (matrix.T if attributes.get(flag, 0) else matrix for matrix, flag in ((a, "transA"), (b, "transB")))
    result: Array = left @ right * attributes.get("alpha", 1.0)
    if c is not None:
        result = result + c * attributes.get("beta", 1.0)
    return result


def _reshape(_attributes: Attributes, x: Array, shape: Array) -> Array:
    target = [int(size) or x.shape[axis] for axis, size in enumerate(shape)]
    # A file for one image says (1, n): keep the batch free, as the hardware layers do.
    return x.reshape([x.shape[0], *target[1:]] if target[0] == 1 else target)


def quant_operator(attributes: Attributes) -> Quant:
    """Return the operator that a ``Quant`` node's attributes describe."""
    return Quant(
        signed=bool(attributes["signed"]),
        narrow=bool(attributes["narrow"]),
        rounding=Rounding.parse(attributes.get("rounding_mode", "ROUND")),
    )


def _quant(attributes: Attributes, x: Array, *parameters: Array) -> Array:
    operator = quant_operator(attributes)
    return operator.dequantize(
        operator.to_integers(operator.pre_rounding(x, parameters), parameters), parameters, np.float64
    )


_OPERATORS: dict[str, Callable[..., Array]] = {
    **ELEMENTWISE,
    **HARDWARE,
    "Conv": _conv,
    "Flatten": lambda attributes, x: x.reshape(int(np.prod(x.shape[: attributes.get("axis", 1)])), -1),
    "Gemm": _gemm,
    "IntQuant": _quant,
    "MatMul": lambda _, a, b: a @ b,
    "MaxPool": lambda attributes, x: max_pool(x, _window(attributes, attributes["kernel_shape"])),
    "Quant": _quant,
    "Reshape": _reshape,
    "Squeeze": lambda _, x, axes=None: np.squeeze(x, None if axes is None else tuple(map(int, axes))),
    "Transpose": lambda attributes, x: np.transpose(x, attributes.get("perm")),
    "Unsqueeze": lambda _, x, axes: np.expand_dims(x, tuple(map(int, axes))),
}
