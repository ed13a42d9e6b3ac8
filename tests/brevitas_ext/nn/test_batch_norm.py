"""Fully quantized batch normalization as a layer: statistics, evaluation, what torch does with modules."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.nn.functional as F
from torch import Tensor, nn

from brevitas_ext.arith import quantized_norm as golden
from brevitas_ext.nn import L1BatchNorm1d, L1BatchNorm2d, L2BatchNorm1d, L2BatchNorm2d, NormBits, QuantizedBatchNorm

TWO = [L1BatchNorm2d, L2BatchNorm2d]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def batch(seed: int = 0, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(8, channels, 5, 5, generator=generator) * torch.arange(1, 1 + channels).view(1, -1, 1, 1) + 0.5


def trained(kind: type[QuantizedBatchNorm], **options: Any) -> QuantizedBatchNorm:
    layer = kind(3, **options)
    with torch.no_grad():
        for value in layer.parameters():
            value.copy_(torch.tensor([0.7, -1.3, 0.2]) + value)
    for seed in range(4):
        layer(batch(seed))
    return layer


def test_l2_without_widths_is_torchs() -> None:
    x, layer = batch(), L2BatchNorm2d(3, bits=None)
    torch.testing.assert_close(layer(x), F.batch_norm(x, None, None, training=True))


def test_l1_has_mean_absolute_deviation_one() -> None:
    found = L1BatchNorm2d(3, bits=None)(batch())
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.zeros(3))
    torch.testing.assert_close(found.abs().mean((0, 2, 3)), torch.ones(3))


@pytest.mark.parametrize("kind", TWO)
@pytest.mark.parametrize("bits", [8, NormBits(statistics=5, affine=3), None])
def test_evaluation_is_the_golden_affine_bit_for_bit(
    kind: type[QuantizedBatchNorm], bits: NormBits | int | None
) -> None:
    layer, x = trained(kind, bits=bits).eval(), batch(9)
    widths = NormBits.of(bits)
    deviation = layer.running_deviation.numpy()
    made = golden.affine(
        golden.Statistics(layer.running_mean.numpy(), deviation),
        *(value.detach().numpy() for value in (layer.weight, layer.bias)),
        statistics_bits=widths.statistics,
        affine_bits=widths.affine,
    )
    expected = x.numpy() * made.multiplier.reshape(1, 3, 1, 1) + made.addend.reshape(1, 3, 1, 1)
    assert np.array_equal(layer(x).detach(), expected)
    layer.freeze()
    assert np.array_equal(layer(x).detach(), expected)


@pytest.mark.parametrize("kind", TWO)
def test_evaluation_has_gradients(kind: type[QuantizedBatchNorm]) -> None:
    layer, x = trained(kind).eval(), batch().requires_grad_()
    layer(x).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, layer.affine().multiplier.expand_as(x))
    assert all(value.grad is not None and value.grad.any() for value in layer.parameters())


def test_running_statistics_follow_the_momentum() -> None:
    first, second = batch(1), batch(2)
    means = [x.mean((0, 2, 3)) for x in (first, second)]
    spreads = [(x - x.mean((0, 2, 3), keepdim=True)).abs().mean((0, 2, 3)) for x in (first, second)]
    for momentum, parts in ((0.3, (0.49, 0.21, 0.3)), (None, (0, 0.5, 0.5))):
        layer = L1BatchNorm2d(3, momentum=momentum, bits=None)
        layer(first), layer(second)
        torch.testing.assert_close(layer.running_mean, parts[1] * means[0] + parts[2] * means[1])
        expected = parts[0] + parts[1] * spreads[0] + parts[2] * spreads[1]
        torch.testing.assert_close(layer.running_deviation, expected)
        assert layer.num_batches_tracked == 2
        layer.eval()(first)
        assert layer.num_batches_tracked == 2
        layer.reset_running_stats()
        assert not layer.running_mean.any() and layer.num_batches_tracked == 0


@pytest.mark.parametrize(("kind", "shape"), [(L1BatchNorm1d, (6, 3)), (L2BatchNorm1d, (2, 3, 5))])
def test_one_dimension(kind: type[QuantizedBatchNorm], shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    layer = kind(3, bits=None)
    two = (L1BatchNorm2d if layer.order == 1 else L2BatchNorm2d)(3, bits=None)
    torch.testing.assert_close(layer(x), two(x.view(*shape, *(1,) * (4 - len(shape)))).view(shape))
    assert layer.eval()(x).shape == x.shape


def test_without_parameters() -> None:
    layer = L1BatchNorm2d(3, affine=False)
    assert not list(layer.parameters())
    plain = L1BatchNorm2d(3)
    assert torch.equal(layer(batch()), plain(batch()))
    assert torch.equal(layer.eval()(batch()), plain.eval()(batch()))


def test_wrong_inputs_are_refused() -> None:
    layer = L1BatchNorm2d(3)
    for shape in ((2, 3, 4), (2, 4, 5, 5)):
        with pytest.raises(ValueError, match="expected 4 dimensions with 3 channels"):
            layer(torch.zeros(shape))
    for shape in ((1, 3, 1, 1), (0, 3, 4, 4)):
        with pytest.raises(ValueError, match="more than one value per channel"):
            layer(torch.zeros(shape))
    assert layer.eval()(torch.zeros(1, 3, 1, 1)).shape == (1, 3, 1, 1)
    with pytest.raises(ValueError, match="at least one channel"):
        L1BatchNorm2d(0)


def test_a_batch_of_one_is_normalized() -> None:
    assert torch.isfinite(L1BatchNorm2d(3)(batch()[:1])).all()


def test_a_dead_channel_stays_finite_in_evaluation() -> None:
    layer, x = L1BatchNorm2d(3, momentum=1.0), batch()
    x[:, 1] = 0
    layer(x)
    assert layer.running_deviation[1] == pytest.approx(1e-5**0.5)
    assert torch.isfinite(layer.eval()(x)).all()
    layer.running_deviation.zero_()
    torch.testing.assert_close(layer.affine().multiplier.flatten(), torch.full((3,), 1e5**0.5))


def test_copies_and_checkpoints_compute_the_same() -> None:
    layer, x = trained(L1BatchNorm2d), batch(9)
    loaded = L1BatchNorm2d(3)
    loaded.load_state_dict(layer.state_dict())
    for other in (copy.deepcopy(layer), loaded):
        assert torch.equal(other(x), copy.deepcopy(layer)(x))
        assert torch.equal(other.eval()(x), other(x))
    assert set(layer.state_dict()) == {"weight", "bias", "running_mean", "running_deviation", "num_batches_tracked"}


def test_autocast_computes_in_the_layers_dtype() -> None:
    layer, x = L1BatchNorm2d(3), batch().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, L1BatchNorm2d(3)(x.float()).bfloat16())
    found.float().square().sum().backward()
    assert layer.weight is not None and layer.weight.grad is not None and layer.weight.grad.dtype == torch.float32


def test_distributed_training_updates_gradients_and_statistics() -> None:
    """One process: that several share the first one's buffers is torch's part, as for every module."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 3, 1), L1BatchNorm2d(3))
        alone, wrapped = copy.deepcopy(model), nn.parallel.DistributedDataParallel(model)
        for seed in (0, 2):
            for network in (alone, wrapped):
                network(batch(seed)).square().sum().backward()
        for name, value in alone.state_dict().items():
            assert torch.equal(model.state_dict()[name], value)
        for mine, theirs in zip(model.parameters(), alone.parameters(), strict=True):
            assert mine.grad is not None and theirs.grad is not None and torch.equal(mine.grad, theirs.grad)
        assert model[1].num_batches_tracked == 2
    finally:
        distributed.destroy_process_group()
