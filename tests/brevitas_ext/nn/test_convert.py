"""Float models turned over to ShiftQuant layers."""

from typing import Any

import pytest
import torch
from torch import nn

from brevitas_ext.nn import (
    ShiftQuantConv1d,
    ShiftQuantConv2d,
    ShiftQuantization,
    ShiftQuantLinear,
    convert_to_shiftquant,
    shiftquant_conversion,
)


class Special(nn.Linear):
    pass


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, padding="valid", dilation=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        shared = nn.Conv2d(8, 8, 3, padding=1, groups=4, padding_mode="reflect")
        self.body = nn.Sequential(shared, nn.ReLU(), shared)
        self.wave = nn.Conv1d(8, 8, 3, 2, 1)
        self.special = Special(8, 8)
        self.tied = nn.Linear(8, 8)
        self.tied.weight = self.special.weight
        self.head = nn.Sequential(nn.Dropout(), nn.Linear(8, 5))


def test_layers_are_replaced_by_name_and_the_float_model_stays() -> None:
    model = Model()
    found: Any = convert_to_shiftquant(model, gradient_bits=6)
    assert isinstance(found.stem, ShiftQuantConv2d)
    assert isinstance(found.wave, ShiftQuantConv1d)
    assert isinstance(found.head[1], ShiftQuantLinear)
    assert type(model.stem) is nn.Conv2d
    assert found.body[0].quantization == ShiftQuantization(gradient_bits=6)
    assert found.stem.quantization == ShiftQuantization(weight_bits=8, activation_bits=8, gradient_bits=8)
    assert found.head[1].quantization == found.stem.quantization


def test_weights_and_what_shares_them_stay() -> None:
    model = Model()
    found: Any = convert_to_shiftquant(model)
    assert found.body[0] is found.body[2]
    assert found.tied.weight is found.special.weight
    state = model.state_dict()
    for name, value in found.state_dict().items():
        if not name.endswith("_extra_state"):
            assert torch.equal(value, state[name])
    assert [name for name, _ in found.named_parameters()] == [name for name, _ in model.named_parameters()]


def test_geometry_and_mode_stay() -> None:
    model = Model().eval()
    model.wave.weight.requires_grad_(False)
    found: Any = convert_to_shiftquant(model)
    assert not found.wave.training
    assert not found.wave.weight.requires_grad
    for name in ("stem", "wave"):
        old, new = getattr(model, name), getattr(found, name)
        for field in ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"):
            assert getattr(old, field) == getattr(new, field)
    assert found.stem.bias is None
    assert found.body[0].padding_mode == "reflect"


def test_the_report_says_what_was_left_and_why() -> None:
    conversion = shiftquant_conversion(Model(), skip=["head"], first_last_bits=None)
    assert list(conversion.converted) == ["stem", "body.0", "wave", "tied"]
    assert set(conversion.converted.values()) == {ShiftQuantization()}
    assert conversion.left == {
        "norm": "BatchNorm2d has no counterpart that trains on integers",
        "special": "Special is a subclass of a layer of torch.nn and may compute something else",
        "head.1": "skipped as asked",
    }
    assert "wave: W4 A4 G4, 4 shift groups" in str(conversion)
    assert "head.1: left, skipped as asked" in str(conversion)


def test_a_seed_decides_every_stream() -> None:
    one, other = (convert_to_shiftquant(Model(), seed=7).state_dict() for _ in range(2))
    seeds = [value for name, value in one.items() if name.endswith("_extra_state")]
    assert len({int(seed[0]) for seed in seeds}) == 5
    assert all(torch.equal(one[name], other[name]) for name in one if name.endswith("_extra_state"))


def test_a_model_that_is_a_layer() -> None:
    assert isinstance(convert_to_shiftquant(nn.Linear(3, 2)), ShiftQuantLinear)


def test_a_second_conversion_leaves_the_layers_of_the_first() -> None:
    once = convert_to_shiftquant(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), skip=["1"])
    twice = shiftquant_conversion(once)
    assert list(twice.converted) == ["1"]
    assert twice.left == {"0": "ShiftQuantLinear trains on integers already"}


def test_hooks_are_refused() -> None:
    model = Model()
    model.wave.register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match=r"no hooks on wave \(Conv1d\), found _forward_hooks"):
        convert_to_shiftquant(model)
    assert isinstance(convert_to_shiftquant(model, skip=["wave"]).wave, nn.Conv1d)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="found haed"):
        convert_to_shiftquant(Model(), skip=["haed"])


def test_a_model_without_layers_to_replace_is_refused() -> None:
    with pytest.raises(ValueError, match="found none in ReLU"):
        convert_to_shiftquant(nn.ReLU())


@torch.no_grad()
@pytest.mark.parametrize("padded", [None, torch.tensor([[False, True], [False, False]])])
def test_encoders_of_torch_call_the_layers_in_evaluation_too(
    padded: torch.Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2).eval()
    model = convert_to_shiftquant(encoder)
    called, forward = [], ShiftQuantLinear.forward
    monkeypatch.setattr(ShiftQuantLinear, "forward", lambda self, x: called.append(self) or forward(self, x))
    model(torch.randn(2, 2, 4), src_key_padding_mask=padded)
    assert called == [module for module in model.modules() if isinstance(module, ShiftQuantLinear)]


def test_a_single_name_to_skip_is_not_read_letter_by_letter() -> None:
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(11)))
    with pytest.raises(TypeError, match=r"found the string '10'; write \['10'\]"):
        convert_to_shiftquant(model, skip="10")
