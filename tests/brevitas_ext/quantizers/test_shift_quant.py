"""ShiftQuant activation quantizers: golden integers with dynamic and static ranges, state, gradients, misuse."""

from __future__ import annotations

import copy
import io
from typing import Any

import brevitas.config
import numpy as np
import pytest
import torch
from brevitas.graph.calibrate import calibration_mode
from brevitas.nn import QuantConv1d, QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import Int8WeightPerTensorFloat, Int32Bias
from torch import Tensor, nn

from brevitas_ext import ShiftQuantAct, ShiftQuantUintAct, freeze_shift_ranges
from brevitas_ext.arith import dequantize, power_of_two_groups, shift_quantize
from brevitas_ext.quantizers import ShiftQuantTensor, UncalibratedRangesError

WEIGHT = {"weight_quant": Int8WeightPerTensorFloat}


def spread(*shape: int, axis: int = 1, seed: int = 0) -> Tensor:
    """Normal values whose channels along `axis` have halving ranges."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return x * (2.0 ** -torch.arange(shape[axis])).view([-1 if dim == axis else 1 for dim in range(len(shape))])


def golden(x: Tensor, axis: int, **options: Any) -> np.ndarray:
    return dequantize(shift_quantize(x.detach().numpy(), axis=axis, **options), axis=axis)


@pytest.mark.parametrize("options", [{"bits": 4}, {"bits": 8, "groups": 2}, {"bits": 2, "groups": 6}], ids=str)
def test_training_quantizes_by_the_ranges_of_the_batch(options: dict[str, Any]) -> None:
    layer = QuantIdentity(act_quant=ShiftQuantAct.let(**options), return_quant_tensor=True).train()
    for seed in range(3):
        x = spread(3, 6, 5, 5, seed=seed)
        y = layer(x)
        np.testing.assert_array_equal(y.value.detach().numpy(), golden(x, 1, **options))


def test_unsigned_behind_a_relu() -> None:
    layer = QuantReLU(act_quant=ShiftQuantUintAct.let(bits=4, groups=3), return_quant_tensor=True).train()
    x = spread(3, 6, 5, 5)
    y = layer(x)
    np.testing.assert_array_equal(y.value.detach().numpy(), golden(x.relu(), 1, bits=4, groups=3, signed=False))
    assert not y.signed and float(y.bit_width) == 6
    assert int(y.int().max()) <= 15 * 4


def test_layers_know_where_their_channels_are() -> None:
    image = spread(2, 4, 6, 6)
    cases: list[tuple[nn.Module, Tensor, int]] = [
        (QuantConv2d(4, 2, 3, input_quant=ShiftQuantAct, **WEIGHT), image, 1),
        (QuantConv2d(4, 2, 3, input_quant=ShiftQuantAct, **WEIGHT), image[0], 0),
        (QuantConv1d(4, 2, 3, input_quant=ShiftQuantAct, **WEIGHT), image[..., 0], 1),
        (QuantLinear(6, 2, bias=True, input_quant=ShiftQuantAct, **WEIGHT), spread(2, 4, 6, axis=2), 2),
        (QuantLinear(6, 2, bias=True, input_quant=ShiftQuantAct.let(axis=0), **WEIGHT), spread(4, 6, axis=0), 0),
    ]
    for layer, x, axis in cases:
        y = layer.train().input_quant(x)
        np.testing.assert_array_equal(y.value.detach().numpy(), golden(x, axis, bits=8))
        layer(x)


def test_evaluation_quantizes_by_collected_ranges_and_saturates() -> None:
    layer = QuantIdentity(act_quant=ShiftQuantAct.let(bits=4, statistics="max"), return_quant_tensor=True).train()
    batches = [spread(3, 6, 5, seed=seed) for seed in range(3)]
    for batch in batches:
        layer(batch)
    layer.eval()
    seen = torch.cat(batches)
    y = layer(seen)
    np.testing.assert_array_equal(y.value.numpy(), golden(seen, 1, bits=4))
    far = layer(seen * 100)
    limit = torch.tensor(7) * 2 ** layer.act_quant.tensor.static_exponents()
    assert torch.equal(far.int().abs().amax((0, 2)), limit)
    assert torch.equal(layer.act_quant.tensor.ranges, seen.abs().amax((0, 2)))


def test_moving_average_of_ranges() -> None:
    layer = QuantIdentity(act_quant=ShiftQuantAct.let(momentum=0.25)).train()
    for value in (1.0, 3.0, 5.0):
        layer(torch.full((2, 1, 2), value))
    assert layer.act_quant.tensor.ranges.tolist() == [0.75 * (0.75 * 1 + 0.25 * 3) + 0.25 * 5]


def test_a_quantized_tensor_is_in_units_of_the_last_group_and_knows_its_shifts() -> None:
    layer = QuantIdentity(act_quant=ShiftQuantAct.let(bits=4, groups=3), return_quant_tensor=True)
    x = spread(3, 6, 5)
    layer.train()(x)
    y = layer.eval()(x)
    found = shift_quantize(x.numpy(), bits=4, groups=3, axis=1)
    exponents = 2 - found.group_of_channel
    assert isinstance(y, ShiftQuantTensor) and y.shifts is not None
    np.testing.assert_array_equal(y.shifts.exponents.numpy(), exponents)
    np.testing.assert_array_equal(y.int().numpy(), found.integers << exponents[:, None])
    assert (y.scale.shape, float(y.bit_width), y.shifts.bits, y.shifts.axis, y.signed) == ((), 6.0, 4, 1, True)
    assert float(y.scale) == found.scale / 4
    assert torch.equal(layer.act_quant.scale(), y.scale)
    assert (float(layer.act_quant.bit_width()), float(layer.act_quant.zero_point())) == (6.0, 0.0)


def test_shifts_survive_pooling_and_flattening_only() -> None:
    layer = QuantIdentity(act_quant=ShiftQuantAct.let(bits=4, groups=3), return_quant_tensor=True)
    layer.train()
    y = layer(spread(2, 4, 4, 4))
    pooled = nn.MaxPool2d(2)(y)
    assert isinstance(pooled, ShiftQuantTensor) and pooled.shifts is not None
    flat = nn.Flatten()(pooled)
    assert isinstance(flat, ShiftQuantTensor) and flat.shifts is not None
    assert torch.equal(flat.shifts.exponents, pooled.shifts.exponents.repeat_interleave(4))
    assert torch.equal(torch.flatten(y, 1).shifts.exponents, pooled.shifts.exponents.repeat_interleave(16))
    for other in (y.transpose(1, 2), y + y, nn.PixelShuffle(2)(y), y.flatten(0, 1), y.flatten(2), nn.AvgPool2d(2)(y)):
        assert getattr(other, "shifts", None) is None
    last = QuantIdentity(act_quant=ShiftQuantAct.let(axis=-1), return_quant_tensor=True)(spread(2, 4, 4, axis=2))
    assert last.shifts is not None and getattr(last.flatten(1), "shifts", None) is None


def test_biases_are_quantized_in_units_of_the_accumulator() -> None:
    conv = QuantConv2d(4, 4, 1, input_quant=ShiftQuantAct, bias_quant=Int32Bias, return_quant_tensor=True, **WEIGHT)
    nn.init.normal_(conv.bias)
    x = spread(2, 4, 3, 3)
    conv.train()(x)
    y = conv.eval()(x)
    unit = (conv.input_quant.scale() * conv.quant_weight().scale).double()
    steps = y.value.double() / unit
    assert torch.allclose(steps, steps.round(), atol=1e-2)


def test_calibration_mode_collects_without_quantizing() -> None:
    conv = QuantConv2d(4, 2, 3, input_quant=ShiftQuantAct.let(bits=2), **WEIGHT).eval()
    x = spread(2, 4, 6, 6)
    with torch.no_grad(), calibration_mode(conv):
        y = conv(x)
        assert torch.allclose(y, nn.functional.conv2d(x, conv.weight, conv.bias), atol=1e-6)
    assert torch.equal(conv.input_quant.tensor.ranges, x.abs().amax((0, 2, 3)))
    assert not torch.equal(conv.eval()(x), y)


def test_frozen_ranges_stay_and_are_those_of_training() -> None:
    layer = QuantIdentity(act_quant=ShiftQuantAct.let(bits=4))
    first, second = spread(2, 4, 6), 3 * spread(2, 4, 6, seed=1)
    layer.train()(first)
    freeze_shift_ranges(layer)
    before = layer.act_quant.tensor.ranges.clone()
    trained = layer(second)
    assert torch.equal(layer.act_quant.tensor.ranges, before)
    assert torch.equal(trained, layer.eval()(second))
    freeze_shift_ranges(layer, frozen=False)
    layer.train()(second)
    assert not torch.equal(layer.act_quant.tensor.ranges, before)


def test_the_state_dict_holds_ranges_freezing_and_generator() -> None:
    quantizer = ShiftQuantAct.let(bits=3, stochastic=True, seed=5)
    layer = QuantIdentity(act_quant=quantizer).train()
    x = spread(2, 4, 6)
    layer(x)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    again = QuantIdentity(act_quant=quantizer).train()
    again.load_state_dict(torch.load(file, weights_only=True))
    copied = copy.deepcopy(layer)
    following = layer(x)
    assert not torch.equal(following, layer(x))
    assert torch.equal(again(x), following)
    assert torch.equal(copied(x), following)
    layer.act_quant.freeze()
    again.load_state_dict(layer.state_dict())
    assert again.act_quant.tensor.frozen
    assert torch.equal(again.eval()(x), layer.eval()(x))


def test_stochastic_rounding_is_for_training_and_follows_its_seed() -> None:
    x = spread(20, 4, 6)
    layers = [QuantIdentity(act_quant=ShiftQuantAct.let(bits=3, stochastic=True, seed=s)) for s in (1, 1, 2)]
    first, same, other = (layer.train()(x) for layer in layers)
    assert torch.equal(first, same) and not torch.equal(first, other)
    steps = torch.tensor(shift_quantize(x.numpy(), bits=3, axis=1).scale) / 8
    assert ((first - x).abs() <= steps * 2 ** layers[0].act_quant.tensor.static_exponents()[:, None]).all()
    nearest = QuantIdentity(act_quant=ShiftQuantAct.let(bits=3)).train()
    nearest(x)
    assert torch.equal(layers[0].eval()(x), nearest.eval()(x))


def test_an_accelerator_gets_seeds_from_the_generator_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved does not depend on the device: the generators of accelerators are made anew in every step."""
    tensors = [QuantIdentity(act_quant=ShiftQuantAct.let(stochastic=True)).act_quant.tensor for _ in range(2)]
    made: list[tuple[str, int]] = []

    class Recorded:
        def __init__(self, device: torch.device) -> None:
            self.device = device

        def manual_seed(self, seed: int) -> None:
            made.append((self.device.type, seed))

    monkeypatch.setattr(torch, "Generator", Recorded)
    for _ in range(2):
        tensors[0]._generator_on(torch.device("cuda"))
    tensors[1].set_extra_state(tensors[0].get_extra_state())
    for tensor in tensors:
        tensor._generator_on(torch.device("cuda"))
    assert {device for device, _ in made} == {"cuda"}
    assert made[0] != made[1] and made[2] == made[3]


def test_the_gradient_goes_straight_through_where_nothing_saturates() -> None:
    layer = QuantIdentity(act_quant=ShiftQuantAct.let(bits=4)).train()
    x = spread(2, 4, 6).requires_grad_()
    weights = torch.randn(x.shape)
    (layer(x) * weights).sum().backward()
    assert torch.equal(x.grad, weights)
    layer.eval()
    wide = (x.detach() * 3).requires_grad_()
    y = layer(wide)
    (y * weights).sum().backward()
    step = layer.act_quant.scale() * 2 ** layer.act_quant.tensor.static_exponents()[:, None]
    inside = (wide.detach() / step).abs() <= 7.5
    assert inside.any() and not inside.all()
    assert torch.equal(wide.grad, torch.where(inside, weights, 0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types(dtype: torch.dtype) -> None:
    layer = QuantIdentity(act_quant=ShiftQuantAct.let(bits=4), return_quant_tensor=True).to(dtype).train()
    x = spread(3, 4, 5).to(dtype)
    y = layer(x)
    assert y.value.dtype == dtype
    wide = QuantIdentity(act_quant=ShiftQuantAct.let(bits=4)).train()(x.to(torch.promote_types(dtype, torch.float32)))
    assert torch.equal(y.value, wide.to(dtype))


def test_disabling_the_quantizer_leaves_the_input_alone() -> None:
    conv = QuantConv2d(4, 2, 3, input_quant=ShiftQuantAct, **WEIGHT)
    conv.input_quant.disable_quant = True
    x = torch.randn(1, 4, 6, 6)
    assert conv.input_quant(x) is x
    assert conv.input_quant.scale() is None


def test_evaluation_needs_calibration() -> None:
    layer = QuantIdentity(act_quant=ShiftQuantAct).eval()
    for use in (lambda: layer(torch.ones(1, 2)), lambda: layer.act_quant.freeze(), lambda: layer.act_quant.scale()):
        with pytest.raises(UncalibratedRangesError, match="run some batches in training mode"):
            use()


def test_refuses_other_channels_signs_and_values() -> None:
    layer = QuantIdentity(act_quant=ShiftQuantUintAct).train()
    layer(torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"expected 4 channels.*found 5 along axis 1"):
        layer(torch.ones(2, 5))
    with pytest.raises(ValueError, match=r"expected 4 channels.*found 5 along axis 1"):
        layer.eval()(torch.ones(2, 5))
    layer.train()
    with pytest.raises(ValueError, match="not negative"):
        layer(-torch.ones(2, 4))
    with pytest.raises(ValueError, match="finite"):
        layer(torch.full((2, 4), torch.nan))
    with pytest.raises(ValueError, match="axis of a tensor of 1 dimensions"):
        layer(torch.ones(4))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"group": 3}, TypeError, "only the options .*found group"),
        ({"bits": 9}, ValueError, "bits from 2 to 8"),
        ({"groups": 0}, ValueError, "1 to 16 groups"),
        ({"statistics": "mean"}, ValueError, "statistics 'ema' or 'max'.*'mean'"),
        ({"momentum": 0.0}, ValueError, "momentum above 0"),
    ],
)
def test_refuses_misuse(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        QuantIdentity(act_quant=ShiftQuantAct.let(**options))


def test_refuses_torchscript(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brevitas.config, "JIT_ENABLED", True)
    with pytest.raises(RuntimeError, match="unset BREVITAS_JIT"):
        QuantIdentity(act_quant=ShiftQuantAct)


def test_options_of_a_layer() -> None:
    layer = QuantLinear(4, 2, bias=False, input_quant=ShiftQuantAct, input_bit_width=5, input_groups=2, **WEIGHT)
    assert (layer.input_quant.tensor.bits, layer.input_quant.tensor.groups) == (5, 2)


def test_groups_follow_the_ranges_collected() -> None:
    layer = QuantIdentity(act_quant=ShiftQuantAct.let(groups=5)).train()
    layer(spread(4, 6, 9))
    tensor = layer.act_quant.tensor
    np.testing.assert_array_equal(tensor.static()[0].numpy(), power_of_two_groups(tensor.ranges.numpy(), 5))
