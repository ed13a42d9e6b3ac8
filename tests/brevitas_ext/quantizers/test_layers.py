"""The quantizers in Brevitas's layers: what the exported integers satisfy, for every kind of layer."""

from fractions import Fraction
from typing import Any

import pytest
import torch
from brevitas.core.function_wrapper import RoundSte
from brevitas.nn import QuantConv2d, QuantConvTranspose2d, QuantLinear

from brevitas_ext.arith import IntRange, dot_extremes, signed_bits
from brevitas_ext.quantizers import A2QPlusWeightQuant, A2QWeightQuant, ChannelRows

QUANTIZERS = {"a2q": A2QWeightQuant, "a2q+": A2QPlusWeightQuant}


def integer_rows(layer: Any) -> Any:
    return ChannelRows.of(layer).rows(layer.quant_weight().int().long())


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_the_integers_fit_every_accumulator_from_8_to_20_bits(
    layer_kind: str, quantizer: str, signed: bool, build_layer: Any, input_for: Any
) -> None:
    for accumulator_bits in range(8, 21):
        input_bits = 1 + accumulator_bits % 8
        layer = build_layer(
            layer_kind,
            QUANTIZERS[quantizer],
            weight_bit_width=2 + accumulator_bits % 7,
            weight_accumulator_bit_width=accumulator_bits,
        )
        with torch.no_grad():
            layer.weight_quant.tensor_quant.log_norm.fill_(40)  # far above the bound, which therefore acts
        layer(input_for(layer_kind, input_bits, signed=signed))
        rows = integer_rows(layer).numpy()
        box = IntRange(-1, 1) if signed and input_bits == 1 else IntRange.of_bits(input_bits, signed=signed)
        for low, high in zip(*dot_extremes(rows, box.low, box.high, partial_sums=True), strict=True):
            assert signed_bits(low, high) <= accumulator_bits
        if quantizer == "a2q":
            budget = (2 ** (accumulator_bits - 1) - 1) * Fraction(2) ** (int(signed) - input_bits)
            assert all(int(norm) <= budget for norm in abs(rows).sum(axis=1))
        if accumulator_bits - input_bits > 8:
            assert rows.any()


def test_every_layer_has_its_own_target(build_layer: Any, input_for: Any) -> None:
    norms = []
    for accumulator_bits in (10, 13, 16):
        layer = build_layer("linear", A2QWeightQuant, weight_bit_width=8, weight_accumulator_bit_width=accumulator_bits)
        layer(input_for("linear", 4, signed=False))
        norms.append(int(integer_rows(layer).abs().sum(dim=1).max()))
    # 5 channels of 24 weights: the budgets of 31.9, 255.9 and 2047.9 are used to a good part.
    assert 16 <= norms[0] <= 31 < 200 <= norms[1] <= 255 < 1200 <= norms[2] <= 2047


def test_values_are_integers_times_one_scale_per_channel(layer_kind: str, build_layer: Any, input_for: Any) -> None:
    layer = build_layer(layer_kind, A2QWeightQuant, weight_bit_width=5, weight_accumulator_bit_width=16)
    weight = layer.quant_weight(input_for(layer_kind, 4, signed=False))
    layout = ChannelRows.of(layer)
    assert weight.scale.numel() == layout.channels
    scales = layout.rows(weight.scale.expand(layout.weight_shape))
    assert torch.equal(scales[:, 0], scales[:, -1])
    assert torch.equal(weight.value, weight.int().float() * weight.scale)
    assert float(weight.bit_width) == 5
    assert weight.signed
    assert torch.equal(torch.exp2(layer.weight_quant.tensor_quant.log_scale), weight.scale)


def test_the_layer_computes_with_the_quantized_weight(layer_kind: str, build_layer: Any, input_for: Any) -> None:
    options = {"weight_bit_width": 5, "weight_accumulator_bit_width": 16, "bias": False}
    layer = build_layer(layer_kind, A2QPlusWeightQuant, **options)
    inputs = input_for(layer_kind, 4, signed=False)
    output = layer(inputs)
    plain = build_layer(layer_kind, None, bias=False)
    plain.weight.data = layer.quant_weight().value.detach()
    assert torch.allclose(output, plain(inputs.value), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_the_guarantee_holds_in_every_floating_type(quantizer: str, dtype: torch.dtype) -> None:
    """From 17 bits on the budget overflows float16, and a half-precision sum of 4608 terms loses the norm."""
    for accumulator_bits in (12, 17, 20, 24):
        torch.manual_seed(accumulator_bits)
        layer = QuantLinear(
            4608,
            3,
            weight_quant=QUANTIZERS[quantizer],
            weight_accumulator_bit_width=accumulator_bits,
            weight_input_bit_width=8,
            weight_input_signed=False,
        )
        with torch.no_grad():
            layer.weight.copy_(torch.randn(3, 4608) ** 3 + 0.01)
            layer.weight_quant.tensor_quant.log_norm.fill_(20)
        layer = layer.to(dtype)
        assert layer.quant_weight().value.dtype == dtype
        rows = integer_rows(layer)
        assert rows.abs().max() <= 127
        for low, high in zip(*dot_extremes(rows.numpy(), 0, 255, partial_sums=True), strict=True):
            assert signed_bits(low, high) <= accumulator_bits
        if accumulator_bits >= 20:
            assert rows.any(dim=1).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_half_precision_integers_are_those_of_float32_with_the_same_parameters(
    quantizer: str, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    half = QuantLinear(
        300, 20, weight_quant=QUANTIZERS[quantizer], weight_input_bit_width=4, weight_input_signed=False, dtype=dtype
    )
    integers = half.quant_weight().int()
    assert integers.abs().max() > 100
    assert torch.equal(integers, half.float().quant_weight().int())


def test_scales_stay_normal_numbers_in_float16() -> None:
    layer = QuantLinear(
        64, 2, weight_quant=A2QWeightQuant, weight_input_bit_width=4, weight_input_signed=False, dtype=torch.float16
    )
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-1e-3, 1e-3, 128).view(2, 64))
    layer.weight_quant.init_tensor_quant()
    weight = layer.quant_weight()
    assert weight.scale.tolist() == [[2.0**-14]] * 2  # instead of 1e-3 / 127, which float16 holds with 7 bits only
    assert torch.equal(weight.value / weight.scale, weight.int().half())
    weight.value.float().square().sum().backward()
    assert bool(layer.weight_quant.tensor_quant.log_scale.grad.all())  # the floor does not stop the scale from learning


def test_wide_weights_are_refused_in_half_precision() -> None:
    layer = QuantLinear(
        4,
        2,
        weight_quant=A2QWeightQuant,
        weight_bit_width=9,
        weight_input_bit_width=4,
        weight_input_signed=False,
        dtype=torch.bfloat16,
    )
    with pytest.raises(ValueError, match="at most 8 weight bits"):
        layer.quant_weight()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_zero_channels_give_zeros_and_finite_gradients_at_init_and_later(quantizer: str, dtype: torch.dtype) -> None:
    layer = QuantConv2d(
        2,
        3,
        3,
        weight_quant=QUANTIZERS[quantizer],
        weight_accumulator_bit_width=18,
        weight_input_bit_width=4,
        weight_input_signed=False,
        dtype=dtype,
    )
    with torch.no_grad():
        layer.weight[0] = 0
    layer.weight_quant.init_tensor_quant()  # at init
    with torch.no_grad():
        layer.weight[2] = 0  # later
    value = layer.quant_weight().value
    assert not value[0].any()
    assert not value[2].any()
    assert value[1].any()
    value.float().square().sum().backward()
    gradients = [layer.weight.grad, *(p.grad for p in layer.weight_quant.tensor_quant.parameters())]
    assert all(gradient is not None and bool(gradient.isfinite().all()) for gradient in gradients)


def test_a_zero_channel_learns_to_leave_zero() -> None:
    layer = QuantLinear(
        8, 2, bias=False, weight_quant=A2QWeightQuant, weight_input_bit_width=4, weight_input_signed=False
    )
    with torch.no_grad():
        layer.weight[0] = 0
    layer.weight_quant.init_tensor_quant()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    target = torch.linspace(-1, 1, 8)
    for _ in range(60):
        optimizer.zero_grad()
        (layer.quant_weight().value[0] - target).square().sum().backward()
        optimizer.step()
    assert float((layer.quant_weight().value[0] - target).detach().abs().max()) < 0.2


def test_a_layer_of_zeros_only_is_finite() -> None:
    layer = QuantLinear(3, 2, weight_quant=A2QWeightQuant, weight_input_bit_width=4, weight_input_signed=False)
    with torch.no_grad():
        layer.weight.zero_()
    layer.weight_quant.init_tensor_quant()
    assert torch.equal(layer.quant_weight().value, torch.zeros(2, 3))


def test_grouped_transposed_convolutions_are_refused_with_the_way_out() -> None:
    with pytest.raises(NotImplementedError, match="use groups=1 or groups=in_channels"):
        QuantConvTranspose2d(4, 6, 3, groups=2, weight_quant=A2QWeightQuant)


def test_a_quantizer_shared_by_two_layers_is_refused() -> None:
    first = QuantLinear(3, 2, weight_quant=A2QWeightQuant)
    with pytest.raises(NotImplementedError, match="one layer per weight quantizer"):
        QuantLinear(3, 2, weight_quant=first.weight_quant)


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ({"weight_accumulator_bits": 14}, TypeError, "found accumulator_bits"),
        ({"weight_narrow_range": False}, ValueError, "weight_narrow_range=True"),
        ({"weight_signed": False}, ValueError, "weight_signed=True"),
        ({"weight_input_bit_width": 4}, ValueError, "both weight_input_bit_width and weight_input_signed"),
        ({"weight_accumulator_bit_width": 1}, ValueError, "accumulator_bits between 2 and 64, found 1"),
        ({"weight_bit_width": 1}, ValueError, "weight_bits between 2 and 16, found 1"),
    ],
)
def test_options_that_would_be_ignored_are_refused(option: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        QuantLinear(3, 2, weight_quant=A2QWeightQuant, **option)


def test_another_rounding_is_refused() -> None:
    with pytest.raises(TypeError, match="rounded toward zero, found RoundSte"):
        QuantLinear(3, 2, weight_quant=A2QWeightQuant.let(float_to_int_impl=RoundSte))
