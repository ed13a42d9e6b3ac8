"""Operators that move or reduce elements equal onnxruntime's."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from finn_transforms.ops import evaluate, evaluate_outputs
from finn_transforms.ops.tensors import nearest_indices
from tests.support.reference import in_finn, in_onnxruntime

RNG = np.random.default_rng(0)
HIGHEST = np.iinfo(np.int64).max


def integers(*shape: int) -> NDArray[np.float64]:
    return RNG.integers(-8, 8, size=shape).astype(np.float64)


def longs(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("Cast", [integers(2, 3)], {"to": 1}),
    ("Concat", [integers(2, 3, 4), integers(2, 1, 4)], {"axis": 1}),
    ("Concat", [integers(2, 3), integers(2, 2), integers(2, 1)], {"axis": -1}),
    ("DepthToSpace", [integers(2, 12, 2, 3)], {"blocksize": 2}),
    ("DepthToSpace", [integers(2, 18, 2, 3)], {"blocksize": 3, "mode": "CRD"}),
    ("SpaceToDepth", [integers(2, 3, 4, 6)], {"blocksize": 2}),
    ("Gather", [integers(2, 3, 4), longs(2, 0)], {"axis": 1}),
    ("GlobalAveragePool", [integers(2, 3, 2, 4)], {}),
    ("Pad", [integers(2, 3, 4), longs(0, 1, 0, 0, 0, 2)], {}),
    ("Pad", [integers(2, 3, 4), longs(0, 1, 0, 0, 0, 2), np.array(-5.0)], {}),
    ("Pad", [integers(2, 3, 4), longs(1, 2), None, longs(-1)], {}),
    ("Pad", [integers(2, 3, 4), longs(0, 0, 1, 0, 0, 2)], {"mode": "edge"}),
    ("Pad", [integers(2, 3, 4), longs(0, 0, 1, 0, 0, 2)], {"mode": "reflect"}),
    ("ReduceSum", [integers(2, 3, 4, 4), longs(2, 3)], {}),
    ("ReduceSum", [integers(2, 3, 4), longs(-1)], {"keepdims": 0}),
    ("ReduceSum", [integers(2, 3, 4)], {}),
    ("ReduceSum", [integers(2, 3, 4)], {"noop_with_empty_axes": 1}),
    ("ReduceMean", [integers(2, 3, 2, 4), longs(2, 3)], {}),
    ("Slice", [integers(2, 6, 4), longs(1), longs(5)], {}),
    ("Slice", [integers(2, 6, 4), longs(1, -3), longs(5, HIGHEST), longs(1, 2)], {}),
    ("Slice", [integers(2, 6, 4), longs(-1), longs(-HIGHEST), longs(1), longs(-2)], {}),
    ("Slice", [integers(2, 6, 4), longs(4, 0), longs(1, 4), longs(1, 2), longs(-1, 3)], {}),
]


@pytest.mark.parametrize(("op_type", "inputs", "attributes"), CASES)
def test_equals_onnxruntime(op_type: str, inputs: list[Any], attributes: dict[str, Any]) -> None:
    np.testing.assert_array_equal(
        evaluate(op_type, attributes, inputs), in_onnxruntime(op_type, inputs, np.float32, **attributes)
    )


def test_cast_to_integers_and_truth() -> None:
    np.testing.assert_array_equal(evaluate("Cast", {"to": 6}, [np.array([-1.75, 0.5, 2.0])]), [-1, 0, 2])
    np.testing.assert_array_equal(evaluate("Cast", {"to": 9}, [np.array([-1.75, 0.0])]), [True, False])


def test_older_operators_have_parameters_as_attributes() -> None:
    x = integers(2, 6, 4)
    np.testing.assert_array_equal(evaluate("ReduceSum", {"axes": [1], "keepdims": 0}, [x]), x.sum(axis=1))
    np.testing.assert_array_equal(evaluate("Slice", {"starts": [1], "ends": [3], "axes": [2]}, [x]), x[:, :, 1:3])
    np.testing.assert_array_equal(
        evaluate("Pad", {"pads": [0, 1, 0, 0, 0, 0], "value": 3.0}, [x])[:, 0], np.full((2, 4), 3)
    )
    np.testing.assert_array_equal(evaluate("Squeeze", {"axes": [0]}, [x[:1]]), x[0])


@pytest.mark.parametrize(
    ("sizes", "attributes", "count", "expected"),
    [
        (longs(1, 4, 1), {"axis": 1}, 3, [1, 4, 1]),
        (None, {"axis": 1}, 3, [2, 2, 2]),
        (None, {"axis": 1, "num_outputs": 4}, 4, [2, 2, 2, 0]),
        (None, {"axis": 1, "split": [5, 1]}, 2, [5, 1]),
    ],
)
def test_split(sizes: Any, attributes: dict[str, Any], count: int, expected: list[int]) -> None:
    x = integers(2, 6, 3)
    parts = evaluate_outputs("Split", attributes, [x, sizes], count)
    assert [part.shape[1] for part in parts] == expected
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), x)


@pytest.mark.parametrize(
    ("coordinates", "rounding"),
    list(
        product(
            ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"),
            ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"),
        )
    ),
)
@pytest.mark.parametrize("scales", [(2, 3), (1, 4), (0.5, 2)])
def test_nearest_neighbours(coordinates: str, rounding: str, scales: tuple[float, float]) -> None:
    attributes = {"mode": "nearest", "coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
    inputs = [integers(2, 3, 4, 5), None, np.array([1, 1, *scales], np.float32)]
    np.testing.assert_array_equal(
        evaluate("Resize", attributes, inputs), in_onnxruntime("Resize", inputs, np.float32, **attributes)
    )


def test_resize_to_sizes_keeps_a_batch() -> None:
    x = integers(5, 3, 4, 5)
    np.testing.assert_array_equal(
        evaluate("Resize", {"mode": "nearest"}, [x, None, None, longs(1, 3, 8, 15)]),
        x.repeat(2, axis=2).repeat(3, axis=3),
    )


def test_upsample_is_an_old_resize() -> None:
    x = integers(2, 3, 4, 5)
    np.testing.assert_array_equal(
        evaluate("Upsample", {"mode": "nearest"}, [x, np.array([1, 1, 2, 2.0])]), x.repeat(2, axis=2).repeat(2, axis=3)
    )


@pytest.mark.parametrize(
    ("attributes", "inputs", "message"),
    [
        ({"mode": "linear"}, [None, np.ones(4)], "expected mode 'nearest', got 'linear'"),
        ({"mode": "nearest"}, [None], "expected constant scales or sizes, got neither"),
        (
            {"mode": "nearest", "coordinate_transformation_mode": "tf_crop_and_resize"},
            [None, np.ones(4)],
            "got 'tf_crop_and_resize' and 'round_prefer_floor'",
        ),
    ],
)
def test_other_resizes_are_not_guessed(attributes: dict[str, Any], inputs: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate("Resize", attributes, [integers(1, 1, 2, 2), *inputs])


def test_indices_stay_inside() -> None:
    assert nearest_indices(2, 4, Fraction(2), "asymmetric", "ceil") == [0, 1, 1, 1]


def test_multi_threshold_equals_qonnx() -> None:
    thresholds = np.sort(RNG.integers(-8, 8, size=(3, 4)), axis=1)
    for shape in ((2, 3), (1, 3, 4, 2)):
        x = integers(*shape)
        attributes = {"out_scale": 2.0, "out_bias": -1.0, "out_dtype": "INT4"}
        theirs = in_finn("MultiThreshold", [x, thresholds], shape, domain="qonnx.custom_op.general", **attributes)
        np.testing.assert_array_equal(evaluate("MultiThreshold", attributes, [x, thresholds]), theirs)


def test_multi_threshold_with_channels_last() -> None:
    x, thresholds = integers(1, 2, 2, 3), np.array([[0], [2], [-2]])
    np.testing.assert_array_equal(
        evaluate("MultiThreshold", {"data_layout": "NHWC"}, [x, thresholds]), x >= thresholds[:, 0]
    )


def test_bipolar_quantizer_and_truncation() -> None:
    x = np.array([-1.5, -0.0, 0.25])
    np.testing.assert_array_equal(evaluate("BipolarQuant", {}, [x, np.array(0.5)]), [-0.5, 0.5, 0.5])
    parameters = [np.array(each) for each in (1.0, 0.0, 8.0, 4.0, 6.0)]
    np.testing.assert_array_equal(
        evaluate("Trunc", {"rounding_mode": "FLOOR", "signed": 1}, [np.array([-5.0, 3.0, 8.0]), *parameters]),
        [-8, 0, 8],
    )
