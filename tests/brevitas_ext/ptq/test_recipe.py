"""The post-training recipe: what is exchanged, what is left alone, and what comes out."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from brevitas_ext.arith.sparq import SparqFormat
from brevitas_ext.ptq import input_ranges, quantize_with_sparq, sparq_ptq
from brevitas_ext.quantizers import SparqActQuantProxy
from tests.support.float_resnet import float_resnet, images

CONVOLUTIONS = [f"blocks.{block}.conv{index}" for block in (0, 1) for index in (1, 2)]


def test_one_call_gives_a_brevitas_model_close_to_the_float_one() -> None:
    reference, calibration = float_resnet(), images()
    before = copy.deepcopy(reference.state_dict())
    model = sparq_ptq(reference, calibration)
    assert all(torch.equal(before[name], value) for name, value in reference.state_dict().items())
    exchanged = [name for name, module in model.named_modules() if isinstance(module, QuantConv2d)]
    assert exchanged == CONVOLUTIONS
    assert type(model.first) is nn.Conv2d and type(model.classify) is nn.Linear
    x = images(1, seed=9)[0]
    with torch.no_grad():
        expected, found = reference(x), model(x)
    assert (found - expected).norm() < 0.1 * expected.norm()
    assert not torch.equal(found, expected)


def test_coarser_windows_are_further_from_the_float_model() -> None:
    reference, x = float_resnet(), images(1, seed=9)[0]
    with torch.no_grad():
        expected = reference(x)
        errors = {
            windows: float((sparq_ptq(reference, images(), windows=windows)(x) - expected).norm())
            for windows in (None, "4b5opt", "4b2opt", "2b7opt")
        }
        errors["uniform"] = float(
            (sparq_ptq(reference, images(), windows=None, activation_bits=4)(x) - expected).norm()
        )
    assert errors[None] < errors["4b5opt"] < errors["4b2opt"] < errors["2b7opt"]
    assert errors["4b5opt"] < errors["uniform"]


def test_scales_are_the_calibrated_ranges() -> None:
    reference, calibration = float_resnet(), images()
    result = quantize_with_sparq(reference, calibration, windows="3b6opt", rounding=False, ranges="min_max")
    assert list(result.report.sparq) == CONVOLUTIONS
    assert result.report.untouched == ("first", "classify")
    for name, seen in result.report.sparq.items():
        proxy = result.model.get_submodule(name).input_quant
        assert isinstance(proxy, SparqActQuantProxy)
        assert proxy.sparq.format == SparqFormat.named("3b6opt", rounding=False)
        assert proxy.scale().item() == pytest.approx(seen.high / 255, rel=1e-6)
        assert (seen.low, seen.images) == (0.0, 32)


def test_ranges_by_each_method() -> None:
    model = nn.Sequential(nn.Identity())
    batches = [torch.tensor([[0.0, 1.0, 4.0, 2.0], [8.0, -3.0, 2.0, 1.0]]), torch.tensor([[6.0, 5.0, 0.0, 0.0]])]
    layers = {"0": model[0]}
    highs = {
        method: input_ranges(model, batches, layers, method=method, percentile=75)["0"].high
        for method in ("mean_max", "min_max", "percentile")
    }
    assert highs == {"mean_max": 6.0, "min_max": 8.0, "percentile": 3.0}
    assert input_ranges(model, batches, layers)["0"].low == -3.0


def test_a_data_loader_with_labels_linear_layers_and_names_to_keep() -> None:
    data = TensorDataset(torch.cat(images()), torch.zeros(32))
    result = quantize_with_sparq(
        float_resnet(), DataLoader(data, batch_size=8), keep=["first", "blocks.0.conv1"], linear=True
    )
    assert list(result.report.sparq) == [*CONVOLUTIONS[1:], "classify"]
    assert isinstance(result.model.classify, QuantLinear)
    result.model(images(1)[0])


class TestUnfit:
    MODEL = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1), nn.ReLU(), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1, groups=4)
    )

    @pytest.mark.parametrize(
        ("keep", "message"),
        [
            (["0"], "'1' with a signed input"),
            (["0", "1"], "'3' with 3 channels per group"),
            (["0", "1", "3"], "'5' with 1 channels per group"),
        ],
    )
    def test_layers_that_sparq_does_not_fit_are_refused_by_name(self, keep: list[str], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            sparq_ptq(self.MODEL, images(), keep=keep)

    def test_or_get_8_bits(self) -> None:
        last = nn.Sequential(*self.MODEL, nn.ReLU(), nn.Conv2d(4, 2, 1))
        result = quantize_with_sparq(last, images(), unfit="int8")
        assert list(result.report.sparq) == ["7"]
        assert {name: reason.split(" ")[0] for name, reason in result.report.int8.items()} == {
            "1": "a", "3": "3", "5": "1"
        }  # fmt: skip
        with torch.no_grad():
            assert torch.allclose(result.model(images(1)[0]), last(images(1)[0]), atol=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"windows": "5opt"}, "window set out of"),
        ({"ranges": "max"}, "expected a method out of"),
        ({"percentile": 0}, "percentile above 0"),
        ({"keep": ["conv"]}, "found conv"),
        ({"unfit": "skip"}, "expected unfit"),
        ({"sum_bits": 1}, "sum_bits of 2 to 16, found 1"),
    ],
)
def test_options_without_a_meaning_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sparq_ptq(float_resnet(), images(), **options)


def test_loaders_without_images_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        sparq_ptq(float_resnet(), [])
    with pytest.raises(TypeError, match=r"batches of images, .* found dict"):
        sparq_ptq(float_resnet(), [{"image": 1}])
    with pytest.raises(ValueError, match="beside the first convolution"):
        sparq_ptq(nn.Sequential(nn.Conv2d(3, 4, 1)), images())


class Skip(nn.Module):
    def __init__(self, *, shared: bool = False) -> None:
        super().__init__()
        self.first, self.conv, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.second = nn.Conv2d(4, 4, 1)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.relu3 = self.relu2 if shared else nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = self.relu1(self.first(x))
        return self.last(self.relu3(self.second(self.relu2(self.conv(kept))) + kept))


class TestActivationsOf8Bits:
    def test_every_reader_gets_the_integers_of_one_quantizer(self) -> None:
        torch.manual_seed(1)
        reference, x = Skip(), images(1, seed=5)[0]
        result = quantize_with_sparq(reference, images(), place="relu")
        assert list(result.report.relu) == ["relu1", "relu2", "relu3"]
        model = result.model
        with torch.no_grad():
            kept = model.relu1(model.first(x))
            read = model.conv.input_quant(kept)
            assert torch.equal(read.scale, kept.scale)
            assert kept.scale.item() == pytest.approx(result.report.relu["relu1"].high / 255)
            assert torch.equal(torch.where(read.value == kept.value, 0, 1).amax(), torch.tensor(1))
            assert (model(x) - reference(x)).norm() < 0.1 * reference(x).norm()

    def test_a_shared_or_missing_relu_is_refused(self) -> None:
        with pytest.raises(ValueError, match="found 'relu2' called 2 times as often"):
            sparq_ptq(Skip(shared=True), images(), place="relu")
        with pytest.raises(ValueError, match=r"nn\.ReLU layers, found none"):
            sparq_ptq(float_resnet(), images(), place="relu")
        with pytest.raises(ValueError, match="expected place out of"):
            sparq_ptq(float_resnet(), images(), place="skip")
