"""Recalibrating batch normalization for quantized activations, and keeping it only where it helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from brevitas_ext.nn.batch_norm import QuantizedBatchNorm
from brevitas_ext.ptq.running import Loader, evaluating, images_of

BatchNorm: TypeAlias = _BatchNorm | QuantizedBatchNorm


@dataclass(frozen=True, kw_only=True)
class BatchNormChange:
    """How far a layer's statistics moved.

    Attributes:
        layer: its name.
        mean_shift: largest change of a channel's mean, in standard deviations of that channel before.
        variance_ratio: geometric mean over the channels of variance after over variance before.
    """

    layer: str
    mean_shift: float
    variance_ratio: float


@dataclass(frozen=True, kw_only=True)
class BatchNormReport:
    """What `recalibrate_batch_norm` did.

    Attributes:
        changes: per layer, in the model's order.
        distance_before: how far the outputs were from the reference's, see `recalibrate_batch_norm`; None without one.
        distance_after: how far they would be with the new statistics.
        kept: whether the model has the new statistics.
        images: over how many images.
    """

    changes: tuple[BatchNormChange, ...]
    distance_before: float | None
    distance_after: float | None
    kept: bool
    images: int

    def __str__(self) -> str:
        largest = max((change.mean_shift for change in self.changes), default=0.0)
        what = f"batch normalization of {len(self.changes)} layers on {self.images} images, means moved by up to "
        told = "" if self.distance_before is None else f", distance {self.distance_before:.6g} to "
        told += "" if self.distance_after is None else f"{self.distance_after:.6g}"
        return f"{what}{largest:.3g} standard deviations{told}: {'kept' if self.kept else 'put back'}"


def recalibrate_batch_norm(
    model: nn.Module, loader: Loader, *, reference: nn.Module | None = None, judge: Loader | None = None
) -> BatchNormReport:
    """Replace running means and variances by those of the quantized activations, averaged over the batches.

    The images should be those that the statistics were trained on, with the training's augmentation and about its batch
    size: statistics of other images differ for reasons that have nothing to do with quantization.

    Args:
        model: the quantized model, changed in place.
        loader: batches of images.
        reference: the float model.  With it, the new statistics are kept only if they bring the model's outputs closer
            to the reference's: the Kullback-Leibler divergence from its softmax for outputs (N, C), else the mean
            square; no labels are needed.
        judge: batches to compare outputs on; `loader` by default.

    Returns:
        What it did.

    Raises:
        ValueError: there is no batch, or no layer that keeps statistics.
    """
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, QuantizedBatchNorm) or (isinstance(module, _BatchNorm) and module.track_running_stats)
    }
    if not layers:
        raise ValueError("batch normalization: expected layers that keep statistics, found none; leave the step out")
    before = {name: _statistics(layer) for name, layer in layers.items()}
    buffers = {name: _buffers(layer) for name, layer in layers.items()}
    compared = judge if judge is not None else loader
    distance_before = None if reference is None else _distance(model, reference, compared)
    images = _collect(model, loader, layers)
    changes = tuple(_change(name, before[name], _statistics(layer)) for name, layer in layers.items())
    distance_after = None if reference is None else _distance(model, reference, compared)
    kept = distance_before is None or distance_after is None or distance_after < distance_before
    if not kept:
        for name, layer in layers.items():
            _restore(layer, buffers[name])
    return BatchNormReport(
        changes=changes, distance_before=distance_before, distance_after=distance_after, kept=kept, images=images
    )


def _collect(model: nn.Module, loader: Loader, layers: dict[str, BatchNorm]) -> int:
    momenta = {name: layer.momentum for name, layer in layers.items()}
    images = 0
    with evaluating(model):
        for layer in layers.values():
            layer.reset_running_stats()
            layer.momentum = None  # the plain average over all batches
            layer.training = True
        try:
            for batch in images_of(loader, model):
                model(batch)
                images += batch.shape[0]
        finally:
            for name, layer in layers.items():
                layer.momentum = momenta[name]
    return images


def _statistics(layer: BatchNorm) -> tuple[Tensor, Tensor]:
    if isinstance(layer, QuantizedBatchNorm):
        return layer.running_mean.clone(), layer.running_deviation.square()
    if layer.running_mean is None or layer.running_var is None:
        raise ValueError("batch normalization: expected running statistics, found none")
    return layer.running_mean.clone(), layer.running_var.clone()


def _buffers(layer: BatchNorm) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in layer.named_buffers()}


@torch.no_grad()
def _restore(layer: BatchNorm, buffers: dict[str, Tensor]) -> None:
    for name, buffer in layer.named_buffers():
        buffer.copy_(buffers[name])


def _change(name: str, before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor]) -> BatchNormChange:
    tiny = torch.finfo(before[1].dtype).tiny
    deviation = before[1].clamp(min=tiny).sqrt()
    ratio = (after[1].clamp(min=tiny) / before[1].clamp(min=tiny)).log().mean().exp()
    shift = ((after[0] - before[0]).abs() / deviation).max()
    return BatchNormChange(layer=name, mean_shift=float(shift), variance_ratio=float(ratio))


def _distance(model: nn.Module, reference: nn.Module, loader: Loader) -> float:
    total, count = 0.0, 0
    with evaluating(model), evaluating(reference):
        for images in images_of(loader, model):
            found, expected = (_plain(network(images)).double() for network in (model, reference))
            if expected.ndim == 2:
                apart = F.kl_div(found.log_softmax(1), expected.log_softmax(1), log_target=True, reduction="sum")
            else:
                apart = (found - expected).square().flatten(1).mean(1).sum()
            total, count = total + float(apart), count + images.shape[0]
    return total / count


def _plain(output: object) -> Tensor:
    value = getattr(output, "value", output)
    if not isinstance(value, Tensor):
        raise TypeError(
            f"batch normalization: expected models that return a tensor to compare, found {type(output).__name__}"
        )
    return value
