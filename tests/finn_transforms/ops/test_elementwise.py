"""Element-wise golden functions equal torch's in double precision."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from finn_transforms.ops import UnsupportedOperatorError, evaluate

X = np.concatenate([np.linspace(-9, 9, 721), [-800.0, -40.0, 40.0, 800.0]])

FUNCTIONS: list[tuple[str, dict[str, Any], Callable[[torch.Tensor], torch.Tensor]]] = [
    ("Abs", {}, torch.abs),
    ("Ceil", {}, torch.ceil),
    ("Celu", {"alpha": 0.7}, lambda x: functional.celu(x, 0.7)),
    ("Elu", {"alpha": 0.7}, lambda x: functional.elu(x, 0.7)),
    ("Erf", {}, torch.erf),
    ("Exp", {}, torch.exp),
    ("Floor", {}, torch.floor),
    ("Gelu", {}, functional.gelu),
    ("Gelu", {"approximate": "tanh"}, lambda x: functional.gelu(x, approximate="tanh")),
    ("HardSigmoid", {"alpha": 1 / 6}, functional.hardsigmoid),
    ("HardSwish", {}, functional.hardswish),
    ("LeakyRelu", {"alpha": 0.1}, lambda x: functional.leaky_relu(x, 0.1)),
    ("Mish", {}, functional.mish),
    ("Reciprocal", {}, torch.reciprocal),
    ("Relu", {}, torch.relu),
    ("Round", {}, torch.round),
    ("Selu", {}, functional.selu),
    ("Sigmoid", {}, torch.sigmoid),
    ("Sign", {}, torch.sign),
    ("Softplus", {}, lambda x: functional.softplus(x, threshold=700.0)),
    ("Softsign", {}, functional.softsign),
    ("Tanh", {}, torch.tanh),
    ("ThresholdedRelu", {"alpha": 0.5}, lambda x: functional.threshold(x, 0.5, 0.0)),
]


@pytest.mark.parametrize(("op_type", "attributes", "theirs"), FUNCTIONS)
def test_equals_torch(op_type: str, attributes: dict[str, Any], theirs: Callable[[torch.Tensor], torch.Tensor]) -> None:
    with np.errstate(all="ignore"):
        ours = evaluate(op_type, attributes, [X])
    # Selu's constants are float32 in ONNX.
    tolerance = 1e-7 if op_type == "Selu" else 1e-13
    np.testing.assert_allclose(ours, theirs(torch.from_numpy(X)).numpy(), rtol=tolerance, atol=1e-15)


def test_slopes_per_channel() -> None:
    x = np.array([[-2.0, -2.0, -2.0], [3.0, 3.0, 3.0]])
    found = evaluate("PRelu", {}, [x, np.array([0.25, -1.0, 0.0])])
    np.testing.assert_array_equal(found, [[-0.5, 2.0, 0.0], [3.0, 3.0, 3.0]])


def test_bipolar_quantizer_with_a_negative_scale_keeps_the_sign_of_its_input() -> None:
    found = evaluate("BipolarQuant", {}, [np.array([-1.0, -0.0, 0.0, 2.0]), np.array(-0.5)])
    np.testing.assert_array_equal(found, [0.5, -0.5, -0.5, -0.5])


def test_powers() -> None:
    np.testing.assert_array_equal(evaluate("Pow", {}, [np.array([-3.0, 2.0]), np.array(3.0)]), [-27, 8])
    with pytest.raises(UnsupportedOperatorError, match=r"exponent out of \[0.5, 1.0, 2.0, 3.0\], got \[2.0, 3.0\]"):
        evaluate("Pow", {}, [np.array([-3.0, 2.0]), np.array([2.0, 3.0])])
