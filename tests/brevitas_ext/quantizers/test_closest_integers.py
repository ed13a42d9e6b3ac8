from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brevitas_ext.quantizers import A2QConfig, a2q_integers, closest_integers
from brevitas_ext.quantizers.closest_integers import closest_scale, start_at_closest_integers


@given(
    st.lists(st.one_of(st.floats(0, 5), st.sampled_from([0.5, 1.0, 1.5, 2.5])), min_size=1, max_size=5),
    st.floats(0, 9),
    st.integers(1, 3),
)
def test_no_other_integers_within_the_budget_are_closer(targets: list[float], budget: float, limit: int) -> None:
    row = torch.tensor([targets], dtype=torch.float64)
    found = closest_integers(row, budget, limit)[0]
    assert float(found.sum()) <= budget
    candidates = torch.tensor(list(product(range(limit + 1), repeat=len(targets))), dtype=torch.float64)
    assert (candidates == found).all(dim=1).any()
    allowed = candidates[candidates.sum(dim=1) <= budget]
    best = (allowed - row).square().sum(dim=1).min()
    assert float((found - row).square().sum()) <= float(best) + 1e-4


def test_equal_weights_share_what_there_is() -> None:
    found = closest_integers(torch.ones(2, 10) * torch.tensor([[3.0], [0.7]]), 7.9, 5)
    assert found.sum(dim=1).tolist() == [7, 7]


@pytest.mark.parametrize("zero_centered", [False, True])
@pytest.mark.parametrize(("weight_bits", "accumulator_bits"), [(2, 8), (4, 8), (4, 12), (8, 12), (4, 24)])
def test_a2q_yields_the_closest_integers_from_the_start(
    weight_bits: int, accumulator_bits: int, zero_centered: bool
) -> None:
    config = A2QConfig(
        weight_bits=weight_bits,
        accumulator_bits=accumulator_bits,
        input_bits=4,
        input_signed=False,
        zero_centered=zero_centered,
    )
    rows = torch.randn(20, 144, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if zero_centered:
        rows -= rows.mean(dim=1, keepdim=True)
    scale = closest_scale(rows, rows.abs().amax(dim=1, keepdim=True) / config.weight_limit, config)
    start, norm = start_at_closest_integers(rows / scale, config, 1e-6)
    one = torch.ones(20, 1)
    integers = a2q_integers(start.float(), norm.log2().float(), one, config).double()
    share = float(config.l1_budget) / (1 + zero_centered)
    if zero_centered:
        expected = closest_integers((rows / scale).clamp(min=0), share, config.weight_limit)
        expected -= closest_integers((-rows / scale).clamp(min=0), share, config.weight_limit)
    else:
        expected = rows.sign() * closest_integers((rows / scale).abs(), share, config.weight_limit)
    assert torch.equal(integers, expected)
    assert float((norm - float(config.l1_budget)).max()) <= 1e-3  # the penalty starts at zero


def test_the_scale_is_no_worse_than_any_quarter_octave_around_it() -> None:
    config = A2QConfig(weight_bits=8, accumulator_bits=12, input_bits=4, input_signed=False)
    rows = torch.randn(6, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    widest = rows.abs().amax(dim=1, keepdim=True) / 127

    def error(scale: torch.Tensor) -> torch.Tensor:
        closest = closest_integers((rows / scale).abs(), float(config.l1_budget), 127) * rows.sign() * scale
        return (rows - closest).square().sum(dim=1, keepdim=True)

    found = error(closest_scale(rows, widest, config))
    assert bool((found < 0.25 * error(widest)).all())
    for quarter in range(-4, 29):
        assert bool((found <= error(widest * 2 ** (quarter / 4)) + 1e-9).all())
