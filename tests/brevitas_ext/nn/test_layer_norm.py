"""Fully quantized layer normalization."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from brevitas_ext.nn import L1LayerNorm, L2LayerNorm, QuantizedLayerNorm
from tests.support.norms import composite, straight_through


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_l2_without_widths_is_torchs() -> None:
    x = torch.randn(4, 5, 6)
    torch.testing.assert_close(L2LayerNorm(6, bits=None)(x), F.layer_norm(x, (6,)))
    torch.testing.assert_close(L2LayerNorm((5, 6), bits=None)(x), F.layer_norm(x, (5, 6)))


@pytest.mark.parametrize("kind", [L1LayerNorm, L2LayerNorm])
def test_output_and_gradients_are_those_of_the_composite(kind: type[QuantizedLayerNorm]) -> None:
    layer, x = kind((3, 4)).double(), torch.randn(2, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    assert layer.weight is not None and layer.bias is not None
    with torch.no_grad():
        layer.weight.normal_(), layer.bias.normal_()
    found = layer(x)
    expected = composite(x, (2, 3), order=layer.order)
    expected = expected * straight_through(layer.weight, 8) + straight_through(layer.bias, 8)
    torch.testing.assert_close(found, expected)
    of, upstream = (x, layer.weight, layer.bias), torch.randn_like(found)
    for mine, theirs in zip(
        torch.autograd.grad(found, of, upstream), torch.autograd.grad(expected, of, upstream), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_training_and_evaluation_are_the_same_and_nothing_is_tracked() -> None:
    layer, x = L1LayerNorm(8), torch.randn(3, 8)
    assert torch.equal(layer(x), layer.eval()(x))
    assert set(layer.state_dict()) == {"weight", "bias"}
    assert torch.equal(L1LayerNorm(8, affine=False)(x), layer(x))


def test_one_element_gives_the_bias() -> None:
    layer = L1LayerNorm(1)
    with torch.no_grad():
        layer.bias.fill_(0.25)  # type: ignore[union-attr]
    # Nothing is left of the input but the rounding of its product with one over the floor.
    torch.testing.assert_close(layer(torch.randn(4, 1)), torch.full((4, 1), 0.25), atol=2e-4, rtol=0)


def test_half_precision_comes_back_as_it_came() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert L1LayerNorm(8)(torch.randn(2, 8).bfloat16()).dtype == torch.bfloat16


def test_wrong_shapes_are_refused() -> None:
    for shape in ((2, 7), (0, 8)):
        with pytest.raises(ValueError, match=r"expected \(\.\.\., 8\), not empty"):
            L1LayerNorm(8)(torch.zeros(shape))
    with pytest.raises(ValueError, match="at least one dimension"):
        L1LayerNorm(())
