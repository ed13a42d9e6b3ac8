"""Converting torch's batch normalization keeps the function; recalibrating adapts it to quantized activations."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from brevitas_ext.nn import L1BatchNorm1d, L1BatchNorm2d, L2BatchNorm2d, QuantizedBatchNorm
from brevitas_ext.ptq import convert_batch_norm, recalibrate_batch_norm
from brevitas_ext.ptq.convert_norm import GAUSSIAN


def batches(count: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(32, 3, 8, 8, generator=generator) for _ in range(count)]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(4))
    for layer in model:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight), nn.init.normal_(layer.bias)
    with torch.no_grad():
        for batch in batches():
            for _ in range(10):
                model(batch)
    return model.eval()


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("measured", [False, True])
def test_the_float_function_is_kept_in_evaluation(norm: str, measured: bool) -> None:
    model, x = network(), batches()[0]
    converted = convert_batch_norm(model, norm=norm, bits=None, loader=batches() if measured else None)
    torch.testing.assert_close(converted(x), model(x))
    assert isinstance(converted[1], L1BatchNorm2d if norm == "l1" else L2BatchNorm2d)
    assert isinstance(model[1], nn.BatchNorm2d)
    assert not any(module.training for module in converted.modules())


def test_the_measured_ratio_keeps_it_in_training_too() -> None:
    model = network()
    expected = copy.deepcopy(model).train()(batches()[0]).detach()
    errors = {}
    for name, loader in (("measured", batches()), ("gaussian", None)):
        converted = convert_batch_norm(model, bits=None, loader=loader).train()
        errors[name] = float((converted(batches()[0]).detach() - expected).square().mean() / expected.square().mean())
    assert errors["measured"] < 5e-3
    assert errors["measured"] < errors["gaussian"]


def test_a_normal_distribution_has_the_ratio_that_is_assumed() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3)).eval()
    data = [torch.randn(20000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0, 0.0])]
    found = convert_batch_norm(model, loader=data)[0]
    assert isinstance(found, L1BatchNorm1d) and found.weight is not None
    torch.testing.assert_close(found.weight.detach(), torch.full((3,), GAUSSIAN), rtol=0.02, atol=0)


def test_a_single_layer_and_its_settings() -> None:
    layer = nn.BatchNorm2d(3, eps=1e-3, momentum=None, affine=False).train()
    found = convert_batch_norm(layer, bits=6)
    assert isinstance(found, QuantizedBatchNorm) and found.training
    assert (found.eps, found.momentum, found.weight, found.options.bits.statistics) == (1e-3, None, None, 6)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.ReLU()), "found none to convert"),
        (nn.Sequential(nn.BatchNorm3d(2)), "layer '0'.*found BatchNorm3d"),
        (nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False)), "without running statistics"),
    ],
)
def test_what_cannot_be_converted_is_refused(model: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert_batch_norm(model)


def test_unknown_norms_and_empty_loaders_are_refused() -> None:
    with pytest.raises(ValueError, match='"l1" or "l2"'):
        convert_batch_norm(network(), norm="l3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one batch"):
        convert_batch_norm(network(), loader=[])


def test_recalibration_finds_the_statistics_and_puts_them_back_if_they_do_not_help() -> None:
    model = network()
    converted = convert_batch_norm(model, bits=8, loader=batches())
    before = copy.deepcopy(converted.state_dict())
    with torch.no_grad():
        converted[1].running_mean.add_(1)
    spoiled = copy.deepcopy(converted.state_dict())
    report = recalibrate_batch_norm(converted, batches(), reference=model)
    assert report.kept and len(report.changes) == 3
    torch.testing.assert_close(converted[1].running_mean, before["1.running_mean"], rtol=0.05, atol=0.02)
    assert not any(module.training for module in converted.modules())
    wrong = recalibrate_batch_norm(converted, [batch * 9 + 4 for batch in batches()], reference=model, judge=batches())
    assert not wrong.kept
    recalibrated = converted.state_dict()
    assert torch.equal(recalibrated["1.num_batches_tracked"], torch.tensor(4))
    assert not torch.equal(recalibrated["1.running_mean"], spoiled["1.running_mean"])


def test_a_layer_in_two_places_is_one_layer_afterwards() -> None:
    norm = nn.BatchNorm1d(3)
    converted = convert_batch_norm(nn.Sequential(norm, nn.ReLU(), norm))
    assert isinstance(converted[0], L1BatchNorm1d)
    assert converted[2] is converted[0]


def test_hooks_are_refused() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3))
    model[0].register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match=r"no hooks on 0 \(BatchNorm1d\), found _forward_hooks"):
        convert_batch_norm(model)
