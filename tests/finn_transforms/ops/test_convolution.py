"""Convolution and pooling equal onnxruntime's on integers, whatever the window."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finn_transforms.ops import UnsupportedOperatorError, evaluate
from finn_transforms.ops.convolution import Window, im2col, pad_nhwc
from tests.support.reference import in_onnxruntime


@st.composite
def windows(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[int, int]]:
    """Return ONNX attributes of a window and an image that it fits into."""
    size = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    pads = draw(st.tuples(*[st.integers(0, 2)] * 4))
    kernel, dilations = [], []
    for axis in range(2):
        padded = size[axis] + pads[axis] + pads[axis + 2]
        kernel.append(draw(st.integers(1, min(4, padded))))
        dilations.append(draw(st.integers(1, max(1, (padded - 1) // max(1, kernel[-1] - 1)))))
    strides = draw(st.lists(st.integers(1, 3), min_size=2, max_size=2))
    return {"kernel_shape": kernel, "dilations": dilations, "strides": strides, "pads": list(pads)}, size


@settings(max_examples=60)
@given(
    window=windows(),
    groups=st.integers(1, 3),
    channels=st.integers(1, 2),
    outputs=st.integers(1, 2),
    bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_convolution(
    window: tuple[dict[str, Any], tuple[int, int]], groups: int, channels: int, outputs: int, bias: bool, seed: int
) -> None:
    attributes, size = window
    rng = np.random.default_rng(seed)
    x = rng.integers(-8, 8, size=(2, groups * channels, *size)).astype(np.float64)
    weights = rng.integers(-8, 8, size=(groups * outputs, channels, *attributes["kernel_shape"])).astype(np.float64)
    offset = rng.integers(-8, 8, size=groups * outputs).astype(np.float64) if bias else None
    ours = evaluate("Conv", {**attributes, "group": groups}, [x, weights, offset])
    theirs = in_onnxruntime("Conv", [x, weights, offset], np.float32, group=groups, **attributes)
    np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=60)
@given(window=windows(), seed=st.integers(0, 2**32 - 1), integers=st.booleans())
def test_max_pool(window: tuple[dict[str, Any], tuple[int, int]], seed: int, integers: bool) -> None:
    attributes, size = window
    # onnxruntime wants less padding than kernel.
    kernel, pads = attributes["kernel_shape"], attributes["pads"]
    attributes["pads"] = pads = [min(pad, side - 1) for pad, side in zip(pads, (*kernel, *kernel), strict=True)]
    spans = [d * (k - 1) + 1 for d, k in zip(attributes["dilations"], kernel, strict=True)]
    assume(all(side + pads[i] + pads[i + 2] >= spans[i] for i, side in enumerate(size)))
    x = np.random.default_rng(seed).integers(-8, 8, size=(2, 3, *size))
    theirs = in_onnxruntime("MaxPool", [x], np.float32, **attributes)
    # A dilated window can lie in the padding only; it has no maximum.
    assume(theirs.min() >= -8)
    np.testing.assert_array_equal(evaluate("MaxPool", attributes, [x if integers else x.astype(np.float64)]), theirs)


@settings(max_examples=60)
@given(window=windows(), seed=st.integers(0, 2**32 - 1), count_padding=st.integers(0, 1))
def test_average_pool(window: tuple[dict[str, Any], tuple[int, int]], seed: int, count_padding: int) -> None:
    attributes, size = window
    kernel, pads = attributes["kernel_shape"], attributes["pads"]
    attributes["pads"] = pads = [min(pad, side - 1) for pad, side in zip(pads, (*kernel, *kernel), strict=True)]
    spans = [d * (k - 1) + 1 for d, k in zip(attributes["dilations"], kernel, strict=True)]
    assume(all(side + pads[i] + pads[i + 2] >= spans[i] for i, side in enumerate(size)))
    attributes["count_include_pad"] = count_padding
    # Multiples of every count of elements: no mean is rounded.
    x = 5040.0 * np.random.default_rng(seed).integers(-8, 8, size=(2, 3, *size))
    theirs = in_onnxruntime("AveragePool", [x], np.float32, **attributes)
    # A dilated window can lie in the padding only; it has no mean.
    assume(np.isfinite(theirs).all())
    np.testing.assert_array_equal(evaluate("AveragePool", attributes, [x]), theirs)


@settings(max_examples=60)
@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
    extra=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    groups=st.integers(1, 2),
    bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_transposed_convolution(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, int, int, int],
    extra: tuple[int, int],
    groups: int,
    bias: bool,
    seed: int,
) -> None:
    # onnxruntime wants less output padding than stride.
    extra_list = [min(e, stride - 1) for e, stride in zip(extra, strides, strict=True)]
    rng = np.random.default_rng(seed)
    x = rng.integers(-8, 8, size=(2, 2 * groups, 3, 2)).astype(np.float64)
    weights = rng.integers(-8, 8, size=(2 * groups, 3, *kernel)).astype(np.float64)
    attributes = {
        "strides": list(strides),
        "dilations": list(dilations),
        "pads": list(pads),
        "output_padding": extra_list,
        "group": groups,
    }
    sizes = [
        (side - 1) * s + d * (k - 1) + 1 + e - pads[i] - pads[i + 2]
        for i, (side, s, d, k, e) in enumerate(zip((3, 2), strides, dilations, kernel, extra_list, strict=True))
    ]
    assume(min(sizes) > 0)
    offset = rng.integers(-8, 8, size=3 * groups).astype(np.float64) if bias else None
    ours = evaluate("ConvTranspose", attributes, [x, weights, offset])
    theirs = in_onnxruntime("ConvTranspose", [x, weights, offset], np.float32, kernel_shape=list(kernel), **attributes)
    np.testing.assert_array_equal(ours, theirs)


def test_output_shape_of_a_transposed_convolution_is_not_guessed() -> None:
    with pytest.raises(UnsupportedOperatorError, match="expected explicit pads, got output_shape"):
        evaluate("ConvTranspose", {"output_shape": [1, 1, 3, 3]}, [np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2))])


@pytest.mark.parametrize("attributes", [{"auto_pad": "SAME_UPPER"}, {"ceil_mode": 1}])
@pytest.mark.parametrize(("op_type", "others"), [("Conv", [np.ones((1, 1, 2, 2))]), ("MaxPool", [])])
def test_implicit_sizes_are_not_guessed(op_type: str, others: list[Any], attributes: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedOperatorError, match="expected explicit pads and ceil_mode = 0"):
        evaluate(op_type, {"kernel_shape": [2, 2], **attributes}, [np.ones((1, 1, 5, 5)), *others])


def test_valid_padding_is_none() -> None:
    x, weights = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    np.testing.assert_array_equal(evaluate("Conv", {"auto_pad": "VALID"}, [x, weights]), [[[[8, 12], [20, 24]]]])


def test_windows_are_ordered_row_column_channel() -> None:
    x = np.arange(2 * 2 * 3).reshape(1, 2, 2, 3)
    columns = im2col(x, Window(kernel=(2, 1), strides=(1, 1)))
    assert columns.shape == (1, 1, 2, 2, 1, 3)
    np.testing.assert_array_equal(columns[0, 0, 1].reshape(-1), [3, 4, 5, 9, 10, 11])


def test_padding_is_top_left_bottom_right() -> None:
    padded = pad_nhwc(np.ones((1, 1, 1, 1)), (1, 2, 3, 4), value=-5)
    assert padded.shape == (1, 5, 7, 1)
    assert padded[0, 1, 2, 0] == 1
    assert padded.sum() == 1 - 5 * 34
