"""Single ONNX nodes in float64: by torch where its kernels are faster, else by ONNX's reference implementation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from torch import Tensor

Array = NDArray[Any]


def run_node(node: onnx.NodeProto, inputs: Sequence[Array | None], opset: int) -> list[Array]:
    """Runs a node of ONNX's own domain.

    Args:
        node: The node.
        inputs: Its inputs, floats as float64; None for one that is left out.
        opset: ONNX opset of the model.
    """
    fast = _FAST.get(node.op_type)
    if fast is not None:
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        tensors = [None if array is None else torch.from_numpy(np.ascontiguousarray(array)) for array in inputs]
        output = fast(attributes, *tensors)
        if output is not None:
            return [output.numpy()]
    return _by_reference(node, inputs, opset)


def _by_reference(node: onnx.NodeProto, inputs: Sequence[Array | None], opset: int) -> list[Array]:
    feeds = {name: array for name, array in zip(node.input, inputs, strict=True) if array is not None}
    graph = onnx.helper.make_graph(
        [node],
        "single",
        [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in feeds.items()
        ],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None) for name in node.output if name],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    results: list[Array] = ReferenceEvaluator(model).run(None, feeds)  # type: ignore[assignment]
    return results


def _convolution(attributes: dict[str, Any], x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    padded = _padded(attributes, x, 0.0)
    if padded is None:
        return None
    convolve: Callable[..., Tensor] = (F.conv1d, F.conv2d, F.conv3d)[x.ndim - 3]
    return convolve(
        padded,
        weight,
        bias,
        stride=attributes.get("strides", 1),
        dilation=attributes.get("dilations", 1),
        groups=attributes.get("group", 1),
    )


def _transposed_convolution(
    attributes: dict[str, Any], x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor | None:
    spatial = x.ndim - 2
    pads = list(attributes.get("pads", [0] * 2 * spatial))
    if not _explicit(attributes) or "output_shape" in attributes or pads[:spatial] != pads[spatial:]:
        return None
    convolve: Callable[..., Tensor] = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[spatial - 1]
    return convolve(
        x,
        weight,
        bias,
        stride=attributes.get("strides", 1),
        padding=pads[:spatial],
        output_padding=attributes.get("output_padding", 0),
        groups=attributes.get("group", 1),
        dilation=attributes.get("dilations", 1),
    )


def _max_pool(attributes: dict[str, Any], x: Tensor) -> Tensor | None:
    padded = _padded(attributes, x, -float("inf"))
    if padded is None or attributes.get("ceil_mode"):
        return None
    pool: Callable[..., Tensor] = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[x.ndim - 3]
    return pool(
        padded,
        attributes["kernel_shape"],
        stride=attributes.get("strides", 1),
        dilation=attributes.get("dilations", 1),
    )


def _average_pool(attributes: dict[str, Any], x: Tensor) -> Tensor | None:
    padded = _padded(attributes, x, 0.0)
    counts_padding = attributes.get("count_include_pad", 0) or padded is x
    if padded is None or not counts_padding or attributes.get("ceil_mode") or "dilations" in attributes:
        return None
    pool: Callable[..., Tensor] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[x.ndim - 3]
    return pool(padded, attributes["kernel_shape"], stride=attributes.get("strides", 1))


def _nearest(
    attributes: dict[str, Any],
    x: Tensor,
    _roi: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor | None:
    """Repeats elements, as torch writes it: each output reads the input at its index divided by the factor."""
    form = {name: attributes.get(name, b"") for name in ("mode", "coordinate_transformation_mode", "nearest_mode")}
    if list(form.values()) != [b"nearest", b"asymmetric", b"floor"] or "axes" in attributes:
        return None
    factors = scales.tolist() if sizes is None and scales is not None else []
    if len(factors) != x.ndim or any(factor < 1 or factor != int(factor) for factor in factors):
        return None
    for axis, factor in enumerate(factors):
        x = x.repeat_interleave(int(factor), axis)
    return x


def _explicit(attributes: dict[str, Any]) -> bool:
    return bool(attributes.get("auto_pad", b"NOTSET") == b"NOTSET")


def _padded(attributes: dict[str, Any], x: Tensor, value: float) -> Tensor | None:
    """Pads as the attribute `pads` says; None if the padding is to be derived from the shapes."""
    spatial = x.ndim - 2
    pads = list(attributes.get("pads", [0] * 2 * spatial))
    if not _explicit(attributes) or spatial not in (1, 2, 3):
        return None
    if not any(pads):
        return x
    # ONNX lists all beginnings, then all ends; torch pairs them, the last dimension first.
    pairs = [amount for axis in reversed(range(spatial)) for amount in (pads[axis], pads[axis + spatial])]
    return F.pad(x, pairs, value=value)


_FAST: dict[str, Callable[..., Tensor | None]] = {
    "AveragePool": _average_pool,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "MaxPool": _max_pool,
    "Resize": _nearest,
}
