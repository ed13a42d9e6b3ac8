"""SPARQ activation quantizers: the integers are the golden function's, the gradient goes straight through."""

from __future__ import annotations

from typing import Any

import brevitas.config
import numpy as np
import pytest
import torch
from brevitas.inject.enum import ScalingImplType
from brevitas.nn import QuantConv1d, QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerTensorFloat, Uint8ActPerTensorFloat
from torch import Tensor, nn

from brevitas_ext.arith.sparq import WINDOW_SETS, SparqFormat
from brevitas_ext.quantizers import SPARQ_QUANTIZERS, SparqAct3b6opt, SparqAct4b3opt, SparqAct4b5opt
from brevitas_ext.quantizers.sparq_pairs import SparqIntegers

SCALE = 0.37
WEIGHT = {"weight_quant": Int8WeightPerTensorFloat}


def fixed(quantizer: Any, **options: Any) -> Any:
    """A quantizer with the scale `SCALE` for 8 bits."""
    return quantizer.let(scaling_impl_type=ScalingImplType.PARAMETER, scaling_init=torch.tensor(255 * SCALE), **options)


def all_pairs() -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij"), axis=1).reshape(256, 2, 256, 1)


def integers_of(value: Tensor, scale: Tensor) -> np.ndarray:
    steps = (value / scale).detach().double()
    assert torch.allclose(steps, steps.round(), atol=1e-3)
    return steps.round().long().numpy()


@pytest.mark.parametrize("name", SPARQ_QUANTIZERS)
@pytest.mark.parametrize(
    "options",
    [{}, {"rounding": False}, {"overflow": "carry"}, {"pairs": False}, {"pairs": False, "rounding": False}],
    ids=str,
)
def test_all_pairs_get_the_integers_of_the_golden_function(name: str, options: dict[str, Any]) -> None:
    bits, shifts = WINDOW_SETS[name]
    sparq = SparqFormat(bits=bits, shifts=shifts, **options)
    expected = sparq(all_pairs(), axis=1)
    x = torch.tensor(all_pairs()).float() * SCALE
    for build in (QuantIdentity, QuantReLU):
        layer = build(act_quant=fixed(SPARQ_QUANTIZERS[name], **options), return_quant_tensor=True).eval()
        y = layer(x)
        assert (y.is_valid, y.signed, float(y.bit_width)) == (True, False, 8.0)
        assert np.array_equal(integers_of(y.value, y.scale), expected)
        assert torch.equal(y.value, torch.tensor(expected).float() * y.scale)


def test_any_windows_can_be_asked_for() -> None:
    layer = QuantIdentity(act_quant=fixed(SparqAct4b5opt, bits=3, shifts=(0, 2, 5)), return_quant_tensor=True).eval()
    y = layer(torch.tensor(all_pairs()).float() * SCALE)
    assert np.array_equal(integers_of(y.value, y.scale), SparqFormat(bits=3, shifts=(0, 2, 5))(all_pairs(), axis=1))


def test_layers_know_where_their_channels_are() -> None:
    image = torch.tensor(np.random.default_rng(1).integers(0, 256, (2, 4, 6, 6)) * SCALE).float().relu()
    image *= torch.rand(image.shape, generator=torch.Generator().manual_seed(0)) < 0.6
    cases: list[tuple[nn.Module, Tensor, int]] = [
        (QuantConv2d(4, 2, 3, input_quant=fixed(SparqAct3b6opt), **WEIGHT), image, 1),
        (QuantConv2d(4, 2, 3, input_quant=fixed(SparqAct3b6opt), **WEIGHT), image[0], 0),
        (QuantConv1d(4, 2, 3, input_quant=fixed(SparqAct3b6opt), **WEIGHT), image[..., 0], 1),
        (QuantLinear(6, 2, bias=True, input_quant=fixed(SparqAct3b6opt), **WEIGHT), image, 3),
        (QuantLinear(5, 2, bias=True, input_quant=fixed(SparqAct3b6opt), **WEIGHT), image[..., :5], 3),
    ]
    for layer, x, axis in cases:
        y = layer.eval().input_quant(x)
        given = (x / SCALE).round().long().numpy()
        assert np.array_equal(integers_of(y.value, y.scale), SparqFormat.named("3b6opt")(given, axis=axis))
        layer(x)


def test_a_quantized_input_keeps_its_integers_and_scale_and_other_readers_keep_8_bits() -> None:
    relu = QuantReLU(act_quant=fixed(Uint8ActPerTensorFloat), return_quant_tensor=True)
    conv = QuantConv2d(2, 2, 1, bias=False, input_quant=fixed(SparqAct4b3opt), **WEIGHT)
    x = torch.tensor(all_pairs()).float() * SCALE * 0.3
    kept = relu(x)
    read = conv.eval().input_quant(kept)
    assert torch.equal(read.scale, kept.scale)
    assert torch.equal(conv.input_quant.read_scale, kept.scale)
    integers = integers_of(kept.value, kept.scale)
    assert np.array_equal(integers_of(read.value, read.scale), SparqFormat.named("4b3opt")(integers, axis=1))
    assert np.unique(integers).size > np.unique(integers_of(read.value, read.scale)[integers[:, ::-1] != 0]).size
    conv.input_quant(x)
    assert conv.input_quant.read_scale is None


def test_the_gradient_is_that_of_the_8_bit_quantizer() -> None:
    x = torch.randn(4, 6, 5, 5, generator=torch.Generator().manual_seed(1)) * 60
    gradients = []
    for quantizer in (Uint8ActPerTensorFloat, SparqAct4b5opt):
        given = x.clone().requires_grad_()
        layer = QuantReLU(act_quant=fixed(quantizer), return_quant_tensor=True)
        weights = torch.arange(x.numel()).view(x.shape) / x.numel()
        (layer(given).value * weights).sum().backward()
        assert given.grad is not None
        gradients.append(given.grad)
    assert torch.equal(*gradients)
    assert gradients[0].count_nonzero() > 100


def test_the_gradient_passes_a_quantized_input_and_reaches_the_scale() -> None:
    relu = QuantReLU(act_quant=fixed(Uint8ActPerTensorFloat), return_quant_tensor=True)
    conv = QuantConv2d(2, 2, 1, input_quant=SparqAct4b3opt, **WEIGHT)
    x = (torch.rand(2, 2, 4, 4) * 50).requires_grad_()
    conv(relu(x)).sum().backward()
    assert x.grad is not None and (x.grad != 0).all()
    assert relu.act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value.grad != 0


def test_statistics_are_collected_in_training_and_survive_the_state_dict() -> None:
    conv = QuantConv2d(4, 2, 3, input_quant=SparqAct4b5opt, **WEIGHT)
    x = torch.rand(2, 4, 6, 6)
    conv.train()(x)
    conv.eval()
    assert conv.input_quant.scale().item() == pytest.approx(float(x.max()) / 255, rel=0.01)
    again = QuantConv2d(4, 2, 3, input_quant=SparqAct4b5opt, **WEIGHT).eval()
    again.load_state_dict(conv.state_dict())
    assert torch.equal(again(x), conv(x))


def test_disabling_the_quantizer_leaves_the_input_alone() -> None:
    conv = QuantConv2d(4, 2, 3, input_quant=SparqAct4b5opt, **WEIGHT)
    conv.input_quant.disable_quant = True
    x = torch.randn(1, 4, 6, 6)
    assert conv.input_quant(x) is x


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_type_holds_the_integers(dtype: torch.dtype) -> None:
    module = SparqIntegers(SparqFormat.named("3b6opt"), axis=1)
    found = module(torch.tensor(all_pairs()).to(dtype))
    assert found.dtype == dtype
    assert np.array_equal(found.double().numpy(), SparqFormat.named("3b6opt")(all_pairs(), axis=1))


class TestMisuse:
    def test_signed_activations_are_refused(self) -> None:
        conv = QuantConv2d(4, 2, 3, input_quant=fixed(SparqAct4b5opt), **WEIGHT)
        with pytest.raises(ValueError, match=r"SPARQ in QuantConv2d: .* not negative, found -1; .* behind a ReLU"):
            conv(torch.full((1, 4, 6, 6), -1.0))
        with pytest.raises(ValueError, match="found nan"):
            conv(torch.full((1, 4, 6, 6), torch.nan))
        with pytest.raises(ValueError, match="expected signed=False"):
            QuantConv2d(4, 2, 3, input_quant=SparqAct4b5opt, input_signed=True)

    @pytest.mark.parametrize(
        ("quantizer", "found"),
        [(Int8ActPerTensorFloat, "signed, 8 bits"), (Uint8ActPerTensorFloat.let(bit_width=4), "unsigned, 4 bits")],
    )
    def test_other_quantized_inputs_are_refused(self, quantizer: Any, found: str) -> None:
        conv = QuantConv2d(4, 2, 3, input_quant=SparqAct4b5opt, **WEIGHT)
        x = QuantIdentity(act_quant=quantizer, return_quant_tensor=True)(torch.rand(1, 4, 6, 6))
        with pytest.raises(ValueError, match=f"8 unsigned bits without zero point, found {found}"):
            conv(x)

    @pytest.mark.parametrize(
        ("channels", "groups", "message"),
        [(3, 1, "channels per group, found 3"), (6, 2, "per group, found 3"), (4, 4, "depthwise")],
    )
    def test_channels_that_cannot_be_paired_are_refused(self, channels: int, groups: int, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            QuantConv2d(channels, channels, 3, groups=groups, input_quant=SparqAct4b5opt)
        alone = QuantConv2d(channels, channels, 3, groups=groups, input_quant=SparqAct4b5opt, input_pairs=False)
        alone(torch.rand(1, channels, 4, 4))

    def test_odd_channels_of_an_activation_are_refused_when_they_are_seen(self) -> None:
        with pytest.raises(ValueError, match=r"even number of channels to pair, found 3 in shape \(1, 3, 4, 4\)"):
            QuantReLU(act_quant=fixed(SparqAct4b5opt))(torch.rand(1, 3, 4, 4))
        with pytest.raises(ValueError, match="expected a tensor with an axis 1"):
            QuantReLU(act_quant=fixed(SparqAct4b5opt))(torch.rand(3))

    def test_torchscript_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(brevitas.config, "JIT_ENABLED", True)
        with pytest.raises(RuntimeError, match="unset BREVITAS_JIT"):
            QuantReLU(act_quant=SparqAct4b5opt)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"bit_width": 4}, "expected bit_width=8"),
            ({"narrow_range": True}, "expected narrow_range=False"),
            ({"shifts": (1, 4)}, "ascending shifts"),
            ({"bits": 9}, "bits from 2 to 7"),
            ({"overflow": "wrap"}, "'saturate' or 'carry'"),
        ],
    )
    def test_options_without_a_meaning_are_refused(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            QuantReLU(act_quant=SparqAct4b5opt.let(**options))
