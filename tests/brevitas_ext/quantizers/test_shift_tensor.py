"""ShiftQuant on tensors equals the golden function bit for bit."""

from __future__ import annotations

from math import sqrt
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from brevitas_ext.arith import dequantize, shift_quantize
from brevitas_ext.quantizers.shift_tensor import dequantize_tensor, shift_quantize_tensor


@given(st.data(), st.sampled_from([16, 32, 64]))
@settings(max_examples=200, deadline=None)
def test_equals_golden(data: st.DataObject, width: Literal[16, 32, 64]) -> None:
    dtype = np.dtype(f"float{width}")
    elements = st.floats(-1e4, 1e4, width=width) | st.sampled_from([0.0, 1.0, 0.5, float(np.finfo(dtype).tiny)])
    x = data.draw(arrays(dtype, array_shapes(min_dims=1, max_dims=4, max_side=5), elements=elements))
    signed = data.draw(st.booleans())
    x = x if signed else np.abs(x)
    options: dict[str, Any] = {
        "bits": data.draw(st.integers(2, 8)),
        "groups": data.draw(st.integers(1, 7)),
        "axis": data.draw(st.integers(-x.ndim, x.ndim - 1)),
        "signed": signed,
    }
    golden, found = shift_quantize(x, **options), shift_quantize_tensor(torch.from_numpy(x), **options)
    np.testing.assert_array_equal(found.integers.numpy(), golden.integers)
    np.testing.assert_array_equal(found.group_of_channel.numpy(), golden.group_of_channel)
    np.testing.assert_array_equal(found.scale.numpy(), golden.scale)
    assert found.integers.dtype == torch.from_numpy(x).dtype
    assert found.scale.numpy().dtype == golden.scale.dtype
    np.testing.assert_array_equal(
        dequantize_tensor(found, axis=options["axis"]).numpy(), dequantize(golden, axis=options["axis"])
    )


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
def test_empty_tensors(shape: tuple[int, ...]) -> None:
    found = shift_quantize_tensor(torch.zeros(shape), bits=4, axis=0)
    assert found.integers.shape == shape
    assert found.group_of_channel.tolist() == [3] * shape[0]
    assert found.scale == 1.0


def test_bfloat16_is_computed_in_float32() -> None:
    x = torch.randn(64, 5, generator=torch.Generator().manual_seed(1)).bfloat16()
    found, wide = (shift_quantize_tensor(t, bits=8, axis=1, groups=3) for t in (x, x.float()))
    assert found.integers.dtype == torch.bfloat16
    assert torch.equal(found.integers.float(), wide.integers)
    assert torch.equal(found.scale, wide.scale)


def test_stochastic_rounding_has_no_bias_and_follows_its_generator() -> None:
    """As in tests/brevitas_ext/arith/test_shift_quant.py: 5 standard errors of at most 0.5 / sqrt(n) steps each."""
    draws = 4000
    x = torch.randn(16, 6, generator=torch.Generator().manual_seed(3)) * 2.0 ** -torch.arange(6)
    many = x.expand(draws, 16, 6)
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    found, again = (
        shift_quantize_tensor(many, bits=3, groups=3, axis=2, stochastic=True, generator=generator)
        for generator in generators
    )
    assert torch.equal(found.integers, again.integers)
    nearest = shift_quantize_tensor(x, bits=3, groups=3, axis=1)
    assert torch.equal(found.group_of_channel, nearest.group_of_channel)
    exact = x.double() / (nearest.scale / 2.0**nearest.group_of_channel).double()
    bound = 5 * 0.5 / sqrt(draws)
    assert (found.integers.double().mean(0) - exact).abs().max() < bound
    assert (nearest.integers - exact).abs().max() > 10 * bound


def test_rounding_of_the_scale_never_exceeds_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.zeros(shape))  # always up
    ranges = torch.linspace(1, 2, 1000)
    above = ranges[ranges / (ranges / torch.tensor(127.0)) > 127]
    assert above.numel()
    for r in above:
        found = shift_quantize_tensor(torch.stack([r, -r])[None], bits=8, axis=1, stochastic=True)
        assert found.integers.tolist() == [[127, -127]]


def test_no_gradient_and_the_input_is_kept() -> None:
    x = torch.randn(4, 4, requires_grad=True)
    before = x.detach().clone()
    found = shift_quantize_tensor(x, bits=4, axis=1)
    assert not found.integers.requires_grad
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        ([1.0, np.nan], {}, "expected finite values, found nan in channel 1"),
        ([-np.inf, 1.0], {}, "found inf in channel 0"),
        ([1.0, -2.0], {"signed": False}, "not negative .*found -2"),
        ([1.0], {"axis": 1}, "axis of a tensor of 1 dimensions, got 1"),
        ([1.0], {"bits": 9}, "bits from 2 to 8, got 9"),
        ([1.0], {"groups": 0}, "1 to 16 groups, got 0"),
    ],
)
def test_refusals(x: list[float], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shift_quantize_tensor(torch.tensor(x), **{"bits": 4, "axis": 0, **options})


def test_refuses_integers() -> None:
    with pytest.raises(TypeError, match="tensor of floats"):
        shift_quantize_tensor(torch.ones(3, dtype=torch.int64), bits=4, axis=0)
