"""A2Q and A2Q+ with inputs from ShiftQuant: each input's shift weighs in the budget, and no sum overflows."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantConvTranspose2d, QuantIdentity, QuantLinear
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from brevitas_ext import (
    A2QPlusWeightQuant,
    A2QWeightQuant,
    AccumulatorReport,
    ShiftQuantAct,
    ShiftQuantUintAct,
    accumulator_penalty,
    export_qonnx,
    freeze_shift_ranges,
    initialize_from_float,
    verify_export,
)
from brevitas_ext.quantizers import A2QConfig, a2q_integers, closest_integers
from brevitas_ext.quantizers.closest_integers import closest_scale, start_at_closest_integers
from tests.support.shift_models import shift_images, shift_network

QUANTIZERS = [A2QWeightQuant, A2QPlusWeightQuant]


def spread(*shape: int, axis: int = 1, seed: int = 0) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return x * (2.0 ** -torch.arange(shape[axis])).view([-1 if dim == axis else 1 for dim in range(len(shape))])


def largest_sums(q: Tensor, factors: Tensor, config: A2QConfig) -> list[int]:
    """Return the largest magnitude of a partial sum of each row, over all inputs of the format, in Python integers."""
    low = -(1 << (config.input_bits - 1)) + config.input_narrow if config.input_signed else 0
    high = (1 << (config.input_bits - config.input_signed)) - 1
    found = []
    for row, shifts in zip(q.tolist(), factors.tolist(), strict=True):
        terms = [int(weight) * int(f) for weight, f in zip(row, shifts, strict=True)]
        rising = sum(max(term * low, term * high, 0) for term in terms)
        falling = sum(min(term * low, term * high, 0) for term in terms)
        found.append(max(rising, -falling - 1))
    return found


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_partial_sum_overflows_whatever_the_shifts(data: st.DataObject) -> None:
    signed = data.draw(st.booleans())
    config = A2QConfig(
        input_narrow=signed and data.draw(st.booleans()),
        weight_bits=data.draw(st.integers(2, 8)),
        accumulator_bits=data.draw(st.integers(3, 20)),
        input_bits=data.draw(st.integers(2, 8)),
        input_signed=signed,
        zero_centered=data.draw(st.booleans()),
    )
    rows, k = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 40))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 10**6)))
    v = torch.randn(rows, k, generator=generator)
    if data.draw(st.booleans()):
        v = v.sign() * data.draw(st.sampled_from([1.0, 0.25, 3.0]))  # quotients that are integers
    factors = torch.exp2(torch.randint(0, data.draw(st.integers(1, 8)), (rows, k), generator=generator).float())
    t = torch.full((rows, 1), data.draw(st.floats(-5, 40)))
    s = torch.full((rows, 1), 2.0 ** data.draw(st.integers(-10, 2)))
    q = a2q_integers(v, t, s, config, factors)
    assert torch.equal(q, q.round()) and q.abs().max() <= config.weight_limit
    assert max(largest_sums(q, factors, config)) <= 2 ** (config.accumulator_bits - 1) - 1
    ones = torch.ones_like(v)
    assert torch.equal(a2q_integers(v, t, s, config, ones), a2q_integers(v, t, s, config))


@pytest.mark.parametrize("zero_centered", [False, True])
def test_most_of_the_budget_is_used_and_ignoring_shifts_overflows(zero_centered: bool) -> None:
    config = A2QConfig(
        weight_bits=8, accumulator_bits=16, input_bits=4, input_signed=False, zero_centered=zero_centered
    )
    v = torch.randn(8, 200, generator=torch.Generator().manual_seed(0))
    factors = torch.exp2(torch.arange(200) % 4).expand(8, -1)
    t, s = torch.full((8, 1), 30.0), torch.full((8, 1), 1e-3)
    limit = 2**15 - 1
    q = a2q_integers(v, t, s, config, factors)
    assert ((q.abs() * factors).sum(1) > 0.75 * float(config.l1_budget)).all()
    assert max(largest_sums(q, factors, config)) <= limit
    assert (q[:, -8:] != 0).any(1).all()  # all of the row is scaled down, not its end cut off
    assert min(largest_sums(a2q_integers(v, t, s, config), factors, config)) > limit


@pytest.mark.parametrize("zero_centered", [False, True])
def test_symmetric_inputs_have_a_larger_budget(zero_centered: bool) -> None:
    options: dict[str, Any] = {"weight_bits": 8, "accumulator_bits": 10, "input_signed": True}
    narrow = A2QConfig(**options, input_bits=2, zero_centered=zero_centered, input_narrow=True)
    assert narrow.l1_budget == narrow.integer_budget == 2**9 - 1
    assert A2QConfig(**options, input_bits=2).l1_budget == (2**9 - 1) / 2
    with pytest.raises(ValueError, match="narrow inputs to be signed"):
        A2QConfig(**{**options, "input_signed": False}, input_bits=2, input_narrow=True)


@pytest.mark.parametrize("zero_centered", [False, True])
def test_quotients_on_integers_do_not_exceed_the_budget_by_rounding(zero_centered: bool) -> None:
    config = A2QConfig(
        weight_bits=8, accumulator_bits=14, input_bits=4, input_signed=False, zero_centered=zero_centered
    )
    for k in range(1, 200):
        factors = torch.exp2(torch.arange(k) % 3)[None]
        v = torch.full((1, k), 0.7) * (1 - 2 * (torch.arange(k) // 3 % 2))
        q = a2q_integers(v, torch.full((1, 1), 60.0), torch.full((1, 1), 0.01), config, factors)
        assert largest_sums(q, factors, config)[0] <= 2**13 - 1
        assert int((q.abs() * factors).sum()) <= config.l1_budget


def test_equal_prices_use_up_what_is_left_by_gain_in_the_products() -> None:
    targets, factors = torch.tensor([[0.625, 0.75, 0.75]]), torch.tensor([[2.0, 1.0, 1.0]])
    assert closest_integers(targets, 3, 5, factors).tolist() == [[1, 1, 0]]


def test_weights_stay_where_the_norm_is_within_the_budget() -> None:
    """The norm parameter is that of plain A2Q: shifts change nothing as long as the budget has room for them."""
    config = A2QConfig(weight_bits=8, accumulator_bits=32, input_bits=4, input_signed=True)
    v = torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
    t, s = v.abs().sum(1, keepdim=True).log2(), v.abs().amax(1, keepdim=True) / 127
    factors = torch.exp2(torch.arange(20) % 4).expand(4, -1)
    assert torch.equal(a2q_integers(v, t, s, config, factors), a2q_integers(v, t, s, config))


@given(st.integers(0, 10**6), st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_closest_integers_with_costs_are_best_up_to_one_unit(seed: int, budget: int) -> None:
    random = np.random.default_rng(seed)
    targets, factors = np.abs(random.normal(size=4)) * 2.5, 2.0 ** random.integers(0, 3, size=4)
    found = closest_integers(torch.tensor(targets[None]), budget, 5, torch.tensor(factors[None]))[0].numpy()
    assert (found * factors).sum() <= budget and found.max() <= 5

    def least_error(limit: float) -> float:
        points = (np.array(point) for point in product(range(6), repeat=4))
        return min(float(((factors * (p - targets)) ** 2).sum()) for p in points if (p * factors).sum() <= limit)

    assert ((factors * (found - targets)) ** 2).sum() <= least_error(max(budget - factors.max(), 0)) + 1e-9


@pytest.mark.parametrize("zero_centered", [False, True])
def test_a2q_starts_at_the_closest_integers(zero_centered: bool) -> None:
    config = A2QConfig(weight_bits=6, accumulator_bits=12, input_bits=4, input_signed=True, zero_centered=zero_centered)
    rows = torch.randn(5, 60, generator=torch.Generator().manual_seed(1)).double()
    factors = torch.exp2(torch.arange(60) % 4).double().expand(5, -1)
    scale = closest_scale(rows, rows.abs().amax(1, keepdim=True) / config.weight_limit, config, factors)
    start, norm = start_at_closest_integers(rows / scale, config, 1e-6, factors)
    one = torch.ones(5, 1)
    q = a2q_integers(start.float(), norm.log2().float(), one, config, factors.float())
    plain = a2q_integers((rows / scale).float(), torch.full((5, 1), 60.0), one, config, factors.float())
    assert max(largest_sums(q, factors, config)) <= 2**11 - 1
    errors = [((each - rows / scale) * factors).square().sum() for each in (q, plain)]
    assert errors[0] < errors[1]


LAYERS: list[tuple[Any, tuple[int, ...], dict[str, Any]]] = [
    (QuantLinear, (4, 6), {"in_features": 6, "out_features": 3, "bias": False}),
    (QuantConv2d, (2, 6, 5, 5), {"in_channels": 6, "out_channels": 4, "kernel_size": 3}),
    (QuantConv2d, (2, 6, 5, 5), {"in_channels": 6, "out_channels": 4, "kernel_size": 3, "groups": 2}),
    (QuantConv2d, (2, 6, 5, 5), {"in_channels": 6, "out_channels": 12, "kernel_size": 3, "groups": 6}),
    (QuantConvTranspose2d, (2, 6, 5, 5), {"in_channels": 6, "out_channels": 4, "kernel_size": 2}),
]


@pytest.mark.parametrize("quantizer", QUANTIZERS)
@pytest.mark.parametrize(("kind", "shape", "options"), LAYERS, ids=lambda value: getattr(value, "__name__", None))
def test_layers_keep_their_width_with_the_worst_input(
    kind: Any, shape: tuple[int, ...], options: dict[str, Any], quantizer: Any
) -> None:
    torch.manual_seed(0)
    layer = kind(
        **options,
        input_quant=ShiftQuantAct.let(bits=4),
        weight_quant=quantizer,
        weight_bit_width=6,
        weight_accumulator_bit_width=10,
    )
    nn.init.normal_(layer.weight)
    x = spread(*shape)
    layer.train()(x)
    with torch.no_grad():
        layer.eval()(x)
        weight = layer.quant_weight()
    tensor = layer.input_quant.tensor
    # By the layer itself: the sums of the largest shifted inputs with the sign of each weight, in float64.
    q = (weight.value.double() / weight.scale.double()).round()
    shifted = 7 * torch.exp2(tensor.static_exponents().double())
    for sign in (1, -1):
        terms = layer.weight_quant.tensor_quant.layout.rows((q * sign).clamp(min=0))
        inputs = layer.weight_quant.tensor_quant.layout.of_inputs(shifted)
        unit = layer.weight_quant.tensor_quant.layout.of_inputs(shifted / 7).amin(1)
        assert ((terms * inputs).sum(1) / unit).max() <= 2**9 - 1
    report = AccumulatorReport.from_model(layer, x)
    report.check()
    assert not report.violations
    k = tensor.static_exponents().view(options.get("groups", 1), -1)
    assert report.layers[0].input_shift == (k.amax(1) - k.amin(1)).max()


@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_brute_force_over_all_inputs_of_a_small_layer(quantizer: Any) -> None:
    torch.manual_seed(1)
    layer = QuantLinear(
        3, 8, bias=False, input_quant=ShiftQuantUintAct.let(bits=2, groups=3),
        weight_quant=quantizer, weight_bit_width=6, weight_accumulator_bit_width=7,
    )  # fmt: skip
    layer.train()(torch.tensor([[4.0, 2.0, 1.0]]))
    inputs = torch.tensor(list(product(range(4), repeat=3))) * torch.tensor([4, 2, 1])
    layer.eval()
    x = inputs * layer.input_quant.scale()
    units = layer.input_quant.scale() * layer.quant_weight().scale.flatten()
    sums = (layer(x).double() / units.double()).round()
    assert torch.equal(layer.input_quant(x).int(), inputs.int())
    assert sums.max() <= 2**6 - 1 and sums.min() >= -(2**6)
    assert sums.abs().max() > 2**5


def test_the_shifts_are_in_the_state_dict() -> None:
    def build() -> QuantLinear:
        return QuantLinear(
            6, 3, bias=False, input_quant=ShiftQuantAct, weight_quant=A2QWeightQuant, weight_accumulator_bit_width=14
        )

    layer, again = build().train(), build()
    layer(spread(4, 6))
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again.weight_quant.input_shifts, layer.input_quant.tensor.static_exponents())
    assert torch.equal(again.quant_weight().value, layer.quant_weight().value)
    state = layer.state_dict()
    del state["weight_quant.input_shifts"]
    again.load_state_dict(state)  # from before there were shifts
    assert again.weight_quant.factors is None


def test_weights_follow_the_shifts_until_they_are_frozen() -> None:
    layer = QuantLinear(
        6, 3, bias=False, input_quant=ShiftQuantAct.let(momentum=1.0),
        weight_quant=A2QWeightQuant, weight_accumulator_bit_width=14,
    )  # fmt: skip
    layer.train()(spread(4, 6))
    before = layer.weight_quant.input_shifts.clone()
    layer(spread(4, 6).flip(1))
    assert torch.equal(layer.weight_quant.input_shifts, before.flip(0))
    freeze_shift_ranges(layer)
    layer(spread(4, 6))
    assert torch.equal(layer.weight_quant.input_shifts, before.flip(0))
    report = AccumulatorReport.from_model(layer, spread(4, 6, seed=3))
    report.check()


def test_the_penalty_counts_the_shifts() -> None:
    layer = QuantLinear(
        6, 3, bias=False, input_quant=ShiftQuantAct, weight_quant=A2QWeightQuant, weight_accumulator_bit_width=10
    )
    layer.train()(torch.ones(4, 6))
    plain = accumulator_penalty(layer)
    layer.input_quant.tensor.ranges.zero_()
    layer(spread(4, 6))
    shifted = accumulator_penalty(layer)
    assert shifted > plain > 0
    shifted.backward()
    assert layer.weight_quant.tensor_quant.log_norm.grad is not None
    assert layer.weight.grad is None


@pytest.mark.parametrize("quantizer", QUANTIZERS)
@pytest.mark.parametrize("method", ["euclidean_projection", "closest_integers"])
def test_initialization_knows_the_shifts(quantizer: Any, method: Any) -> None:
    layer = QuantLinear(
        48, 16, bias=False, input_quant=ShiftQuantAct.let(bits=4), weight_quant=quantizer,
        weight_bit_width=6, weight_accumulator_bit_width=12,
    )  # fmt: skip
    x = torch.randn(4, 48, generator=torch.Generator().manual_seed(0)) * 2.0 ** -(torch.arange(48) % 4)
    layer.train()(x)
    before = layer.weight.detach().clone()
    plain = ((layer.eval()(x) - x @ before.T) ** 2).mean()
    initialize_from_float(layer, x, method=method)
    started = ((layer(x) - x @ before.T) ** 2).mean()
    assert started < plain
    assert accumulator_penalty(layer).item() <= 1e-3
    AccumulatorReport.from_model(layer, x).check()


def test_shifts_that_are_not_known_any_more_are_refused() -> None:
    activation = QuantIdentity(act_quant=ShiftQuantAct, return_quant_tensor=True).train()
    conv = QuantConv2d(1, 2, 1, weight_quant=A2QWeightQuant)
    x = activation(spread(2, 4, 4, 4))
    with pytest.raises(ValueError, match="set input_quant=ShiftQuantAct in the layer"):
        conv(nn.PixelShuffle(2)(x))
    linear = QuantLinear(4, 2, bias=False, weight_quant=A2QWeightQuant)
    with pytest.raises(ValueError, match="straight from ShiftQuant along their axis"):
        linear(x)


@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_contract_of_a_network_is_written_for_shifted_weights(quantizer: Any, tmp_path: Path) -> None:
    weight = {"weight_quant": quantizer, "weight_bit_width": 4, "weight_accumulator_bit_width": 12}
    network = shift_network(weight=weight)
    path = export_qonnx(network, shift_images(1), tmp_path / "network.onnx")
    verify_export(network, path, shift_images(2, 4)).check()
    report = AccumulatorReport.from_model(network, shift_images(1))
    report.check()
    assert {layer.name: layer.input_bits for layer in report.layers} == {
        "first": 5, "second": 4, "reads": 3, "classify": 4
    }  # fmt: skip
    assert max(layer.input_shift for layer in report.layers) >= 2
