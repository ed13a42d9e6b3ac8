import pytest
import torch
from torch import nn

from brevitas_ext.demo.model import (
    HIDDEN_CONVS,
    DemoConfig,
    build_model,
    start_from_float,
    to_input,
)


def random_images(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def qat():
    torch.manual_seed(0)
    return build_model(DemoConfig(variant="qat")).eval()


def test_every_pixel_value_enters_as_its_own_byte(qat):
    every = torch.arange(256, dtype=torch.uint8).repeat(12).reshape(1, 3, 32, 32)
    pixels = qat.pixels(to_input(every))
    assert torch.equal(pixels.int(), every.int())
    assert pixels.bit_width == 8
    assert not pixels.signed


def test_it_is_a_chain_of_layers_that_finn_builds(qat):
    kinds = {type(layer).__name__ for layer in qat}
    assert kinds == {"QuantIdentity", "QuantConv2d", "BatchNorm2d", "QuantReLU", "MaxPool2d", "Flatten", "QuantLinear"}
    assert sum(parameter.numel() for parameter in qat.parameters()) < 90_000


@pytest.mark.parametrize("variant", ["qat", "a2q"])
def test_weights_have_the_stated_bits(variant):
    model = build_model(DemoConfig(variant=variant, accumulator_bits=12 if variant == "a2q" else None)).eval()
    model(to_input(random_images(1)))  # an accumulator-aware layer needs to see its input's format
    for name, layer in model.named_children():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bits = 4 if name in HIDDEN_CONVS else 8
            weight = layer.quant_weight()
            assert weight.bit_width == bits
            assert int(weight.int().abs().max()) <= 2 ** (bits - 1) - 1


def test_activations_between_layers_have_four_unsigned_bits(qat):
    x = to_input(random_images(2))
    for name, layer in qat.named_children():
        x = layer(x)
        if name.startswith("relu"):
            assert x.bit_width == 4
            assert 0 <= int(x.int().min()) <= int(x.int().max()) <= 15


def test_logits_are_integers_times_one_scale(qat):
    x = to_input(random_images(4))
    features = x
    for layer in list(qat)[:-1]:
        features = layer(features)
    weight = qat.classifier.quant_weight()
    assert weight.scale.numel() == 1
    integers = features.int().long() @ weight.int().long().T
    assert torch.equal(integers.argmax(1), qat(x).argmax(1))


def test_quantized_network_starts_from_the_float_weights_and_what_its_layers_see(qat):
    torch.manual_seed(1)
    start = build_model(DemoConfig(variant="float"))
    x = to_input(random_images(3))
    start_from_float(qat, start, x, quantile=1.0)
    for key, value in start.state_dict().items():
        assert torch.equal(qat.state_dict()[key], value)
    seen = x
    for name, layer in start.named_children():
        seen = layer(seen)
        if name.startswith("relu"):
            assert torch.equal(qat.get_submodule(name).act_quant.scale(), seen.max() / 15)
    widest = qat.relu1.act_quant.scale().item()
    start_from_float(qat, start, x, quantile=0.5)
    assert 0 < qat.relu1.act_quant.scale().item() < widest


def test_inputs_that_activate_nothing_are_refused(qat):
    start = build_model(DemoConfig(variant="float"))
    with pytest.raises(ValueError, match="positive value in relu1"):
        start_from_float(qat, start, torch.zeros(1, 3, 32, 32))


def test_a_start_that_is_not_float_is_refused(qat):
    with pytest.raises(ValueError, match="found 'qat' and 'qat'"):
        start_from_float(qat, qat, to_input(random_images(1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "ptq"}, "expected a variant"),
        ({"variant": "a2q"}, "give the width P"),
        ({"variant": "qat", "accumulator_bits": 12}, "for no other"),
    ],
)
def test_a_config_without_meaning_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DemoConfig(**options)


def test_float_images_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        to_input(torch.rand(1, 3, 32, 32))
