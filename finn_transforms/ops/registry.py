"""Evaluates any operator that has a golden function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finn_transforms.ops.convolution import Window, average_pool, conv_transpose, convolve, lift_window, max_pool
from finn_transforms.ops.elementwise import ELEMENTWISE, UnsupportedOperatorError, batch_normalization
from finn_transforms.ops.hardware import HARDWARE, HARDWARE_SPLITS, multi_threshold
from finn_transforms.ops.quantizers import QUANTIZERS
from finn_transforms.ops.tensors import TENSORS, split

Array = NDArray[Any]
Attributes = Mapping[str, Any]


def evaluate(op_type: str, attributes: Attributes, inputs: Sequence[Array | None]) -> Array:
    """Return the first output of one node; see `evaluate_outputs`."""
    return evaluate_outputs(op_type, attributes, inputs)[0]


def evaluate_outputs(
    op_type: str, attributes: Attributes, inputs: Sequence[Array | None], count: int = 1
) -> tuple[Array, ...]:
    """Return all outputs of one node.

    Args:
        op_type: the operator; a specialized FINN layer (``MVAU_rtl``) is the layer it specializes.
        attributes: its attributes as Python values.
        inputs: its inputs, None for an absent optional one.
        count: how many outputs the node has; more than one only for operators that split.

    Raises:
        UnsupportedOperatorError: the operator is not known here.
    """
    name = op_type.removesuffix("_hls").removesuffix("_rtl")
    if (splitting := _SPLITS.get(name)) is not None:
        return splitting(attributes, count, *inputs)
    function = _OPERATORS.get(name)
    if function is None:
        raise UnsupportedOperatorError(
            f"no golden function for operator {op_type!r}; known: {sorted(_OPERATORS | _SPLITS)}"
        )
    return (function(attributes, *inputs),)


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


def _on_sequences_too(function: Callable[..., Array]) -> Callable[..., Array]:
    """Let an operator with a window over images (N, C, H, W) take sequences (N, C, L) as images (N, C, L, 1)."""

    def either(attributes: Attributes, x: Array, weights: Array | None = None, *others: Array | None) -> Array:
        operands = [] if weights is None else [weights]
        if x.ndim != 3:
            return function(attributes, x, *operands, *others)
        lifted = [operand[..., np.newaxis] for operand in (x, *operands)]
        return function(lift_window(attributes), *lifted, *others)[..., 0]

    return either


def _conv(attributes: Attributes, x: Array, weights: Array, bias: Array | None = None) -> Array:
    result = convolve(x, weights, _window(attributes, weights.shape[2:]), attributes.get("group", 1))
    return result if bias is None else result + bias.reshape(1, -1, 1, 1)


def _conv_transpose(attributes: Attributes, x: Array, weights: Array, bias: Array | None = None) -> Array:
    if attributes.get("output_shape"):
        raise UnsupportedOperatorError("ConvTranspose: expected explicit pads, got output_shape")
    window = _window(attributes, weights.shape[2:])
    extra = attributes.get("output_padding", (0, 0))
    result = conv_transpose(x, weights, window, attributes.get("group", 1), extra)
    return result if bias is None else result + bias.reshape(1, -1, 1, 1)


def _average_pool(attributes: Attributes, x: Array) -> Array:
    window = _window(attributes, attributes["kernel_shape"])
    return average_pool(x, window, count_padding=bool(attributes.get("count_include_pad", 0)))


def _max_pool(attributes: Attributes, x: Array) -> Array:
    return max_pool(x, _window(attributes, attributes["kernel_shape"]))


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


def _batch_normalization(attributes: Attributes, x: Array, *constants: Array) -> Array:
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return np.asarray(batch_normalization(attributes, x, *(each.reshape(shape) for each in constants)))


def _squeeze(attributes: Attributes, x: Array, axes: Array | None = None) -> Array:
    given = attributes.get("axes") if axes is None else axes
    return np.squeeze(x, None if given is None else tuple(map(int, given)))


# Several outputs: called with their number behind the attributes.
_SPLITS: dict[str, Callable[..., tuple[Array, ...]]] = {**HARDWARE_SPLITS, "Split": split}

_OPERATORS: dict[str, Callable[..., Array]] = {
    **ELEMENTWISE,
    **HARDWARE,
    **QUANTIZERS,
    **TENSORS,
    "AveragePool": _on_sequences_too(_average_pool),
    "BatchNormalization": _batch_normalization,
    "Conv": _on_sequences_too(_conv),
    "ConvTranspose": _on_sequences_too(_conv_transpose),
    "Flatten": lambda attributes, x: x.reshape(int(np.prod(x.shape[: attributes.get("axis", 1)])), -1),
    "Gemm": _gemm,
    "MatMul": lambda _, a, b: a @ b,
    "MaxPool": _on_sequences_too(_max_pool),
    "MultiThreshold": multi_threshold,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Transpose": lambda attributes, x: np.transpose(x, attributes.get("perm")),
    "Unsqueeze": lambda _, x, axes: np.expand_dims(x, tuple(map(int, axes))),
}
