"""The other ONNX operators equal onnxruntime's, with parameters for which no rounding happens."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from finn_transforms.ops import UnsupportedOperatorError, evaluate
from tests.support.networks import ROUNDINGS
from tests.support.reference import in_finn, in_onnxruntime

RNG = np.random.default_rng(0)


def integers(*shape: int) -> NDArray[np.float64]:
    return RNG.integers(-8, 8, size=shape).astype(np.float64)


def shape_of(*sizes: int) -> NDArray[np.int64]:
    return np.array(sizes, np.int64)


CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("Gemm", [integers(2, 3), integers(3, 4)], {}),
    ("Gemm", [integers(2, 3), integers(3, 4), integers(4)], {"alpha": 0.5, "beta": 2.0}),
    ("Gemm", [integers(3, 2), integers(4, 3), integers(2, 4)], {"transA": 1, "transB": 1}),
    ("MatMul", [integers(2, 5, 3), integers(3, 4)], {}),
    ("Add", [integers(2, 3, 4, 4), integers(3, 1, 1)], {}),
    ("Sub", [integers(2, 3, 4, 4), integers(1, 3, 1, 1)], {}),
    ("Mul", [integers(2, 3), integers(3)], {}),
    ("Div", [integers(2, 3), np.array([0.5, -4.0, 2.0])], {}),
    ("Neg", [integers(2, 3)], {}),
    ("Relu", [integers(2, 3)], {}),
    ("Identity", [integers(2, 3)], {}),
    ("Dropout", [integers(2, 3)], {}),
    ("Clip", [integers(2, 3), np.array(-3.0), np.array(2.0)], {}),
    ("Clip", [integers(2, 3), None, np.array(2.0)], {}),
    ("Clip", [integers(2, 3), np.array(-3.0)], {}),
    ("Flatten", [integers(2, 3, 4)], {}),
    ("Flatten", [integers(2, 3, 4)], {"axis": 0}),
    ("Flatten", [integers(2, 3, 4)], {"axis": 2}),
    ("Flatten", [integers(2, 3, 4)], {"axis": -1}),
    ("Reshape", [integers(1, 3, 4), shape_of(1, 12)], {}),
    ("Reshape", [integers(2, 3, 4), shape_of(6, -1)], {}),
    ("Reshape", [integers(2, 3, 4), shape_of(0, -1)], {}),
    ("Reshape", [integers(2, 3, 4), shape_of(-1, 0, 2)], {}),
    ("Squeeze", [integers(2, 1, 3, 1)], {}),
    ("Squeeze", [integers(2, 1, 3, 1), shape_of(1)], {}),
    ("Unsqueeze", [integers(2, 3), shape_of(0, -1)], {}),
    ("Transpose", [integers(2, 3, 4)], {}),
    ("Transpose", [integers(2, 3, 4)], {"perm": [2, 0, 1]}),
]


@pytest.mark.parametrize(("op_type", "inputs", "attributes"), CASES)
def test_equals_onnxruntime(op_type: str, inputs: list[Any], attributes: dict[str, Any]) -> None:
    ours = evaluate(op_type, attributes, inputs)
    theirs = in_onnxruntime(op_type, inputs, np.float32, **attributes)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 4)])
@pytest.mark.parametrize("epsilon", [0.0, 0.75])
def test_batch_normalization(shape: tuple[int, ...], epsilon: float) -> None:
    # Deviations of 0.5, 1 and 4: nothing is rounded, in whatever order it is computed.
    parameters = [
        np.array([0.5, -2.0, 0.0]),
        np.array([1.0, 0.25, -3.0]),
        np.array([2.0, -1.0, 0.5]),
        np.array([0.25, 1.0, 16.0]) if epsilon == 0.0 else np.array([0.25, 3.25, 15.25]),
    ]
    x = integers(*shape)
    ours = evaluate("BatchNormalization", {"epsilon": epsilon}, [x, *parameters])
    theirs = in_onnxruntime("BatchNormalization", [x, *parameters], np.float32, epsilon=epsilon)
    np.testing.assert_array_equal(ours, theirs)


def test_batch_normalization_has_onnx_default_epsilon() -> None:
    one, zero = np.ones(1), np.zeros(1)
    (result,) = evaluate("BatchNormalization", {}, [np.array([[3.0]]), one, zero, zero, zero])[0]
    assert result == 3.0 / np.sqrt(1e-5)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(("signed", "narrow"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_quantizer_equals_qonnx(rounding: str, signed: int, narrow: int) -> None:
    x = np.arange(-40, 40).reshape(1, -1) / 8
    parameters = [np.array(0.5), np.array(0.0), np.array(4.0)]
    attributes = {"signed": signed, "narrow": narrow, "rounding_mode": rounding}
    theirs = in_finn("IntQuant", [x, *parameters], x.shape, domain="qonnx.custom_op.general", **attributes)
    for op_type in ("Quant", "IntQuant"):
        np.testing.assert_array_equal(evaluate(op_type, attributes, [x, *parameters]), theirs)


def test_reshape_for_one_image_keeps_a_batch() -> None:
    """The file says (1, n); a batch of images goes through all the same, as in the hardware layers."""
    np.testing.assert_array_equal(
        evaluate("Reshape", {}, [integers(5, 3, 2), shape_of(1, 6)]).shape,
        (5, 6),
    )


def test_unknown_operator_is_named() -> None:
    with pytest.raises(UnsupportedOperatorError, match=r"no golden function for operator 'Sin'; known: .*'Conv'"):
        evaluate("Sin", {}, [np.zeros(1)])


@pytest.mark.parametrize("op_type", ["MVAU", "MVAU_hls", "MVAU_rtl"])
def test_specialized_layers_are_the_layers_they_specialize(op_type: str) -> None:
    np.testing.assert_array_equal(evaluate(op_type, {"MW": 2}, [np.ones((1, 2)), np.array([[3], [4]])]), [[7]])
