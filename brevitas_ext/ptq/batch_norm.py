"""Recalibrating batch normalization for quantized activations, and keeping it only where it helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from brevitas_ext.nn.batch_norm import QuantizedBatchNorm
from brevitas_ext.ptq.judging import Batches, Judgement, compare_states, held_back
from brevitas_ext.ptq.running import Loader, batches_of, evaluating

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
    """What `recalibrate_batch_norm` did, and why.

    Attributes:
        changes: per layer, in the model's order.
        judgement: how the model compares with its old and its new statistics on held-back images.
        kept: whether it has the new ones.
        images: over how many images they were averaged.
    """

    changes: tuple[BatchNormChange, ...]
    judgement: Judgement
    kept: bool
    images: int

    def __str__(self) -> str:
        largest = max((change.mean_shift for change in self.changes), default=0.0)
        return (
            f"batch normalization of {len(self.changes)} layers on {self.images} images, means moved by up to "
            f"{largest:.3g} standard deviations: {'kept' if self.kept else 'put back'}; {self.judgement}"
        )


def recalibrate_batch_norm(
    model: nn.Module, loader: Loader, *, reference: nn.Module | None = None, judge: Loader | None = None
) -> BatchNormReport:
    """Replace running means and variances by those of the quantized activations, where that is proven to help.

    The images should be those that the statistics were trained on, with the training's augmentation and about its batch
    size: statistics of other images differ for reasons that have nothing to do with quantization.  The new statistics
    are averages over the batches.  They are kept only if they are better on images that are not among those, by more
    than two standard errors of the mean difference, image by image (`MARGIN`); else the old ones are put back.  What is
    compared is the cross-entropy where the batches have labels, and the divergence from the float model where not.

    Args:
        model: the quantized model, changed in place.
        loader: batches of images, with or without labels.
        reference: the float model, needed where there are no labels.
        judge: batches to compare on, none of whose images are in `loader`; by default a quarter of each batch of
            `loader` is held back for it, which then has to give the same batches each time that it is read.

    Returns:
        What it did.

    Raises:
        ValueError: there is no batch, no layer that keeps statistics, or neither labels nor a reference.
    """
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, QuantizedBatchNorm) or (isinstance(module, _BatchNorm) and module.track_running_stats)
    }
    if not layers:
        raise ValueError("batch normalization: expected layers that keep statistics, found none; leave the step out")
    before = {name: _state(layer) for name, layer in layers.items()}
    batches = batches_of(loader, model) if judge is not None else held_back(loader, model, judged=False)
    try:
        images = _collect(model, batches, layers)
        after = {name: _state(layer) for name, layer in layers.items()}
        judgement = compare_states(
            model,
            (lambda: _restore(layers, before), lambda: _restore(layers, after)),
            reference,
            held_back(loader, model, judged=True) if judge is None else batches_of(judge, model),
        )
    except BaseException:
        _restore(layers, before)
        raise
    if not judgement.better:
        _restore(layers, before)
    changes = tuple(_change(name, before[name], after[name]) for name in layers)
    return BatchNormReport(changes=changes, judgement=judgement, kept=judgement.better, images=images)


def _collect(model: nn.Module, batches: Batches, layers: dict[str, BatchNorm]) -> int:
    momenta = {name: layer.momentum for name, layer in layers.items()}
    images = 0
    with evaluating(model):
        for layer in layers.values():
            layer.reset_running_stats()
            layer.momentum = None  # the plain average over all batches
            layer.training = True
        try:
            for batch, _ in batches:
                model(batch)
                images += batch.shape[0]
        finally:
            for name, layer in layers.items():
                layer.momentum = momenta[name]
    return images


def _state(layer: BatchNorm) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in layer.named_buffers(recurse=False)}


@torch.no_grad()
def _restore(layers: dict[str, BatchNorm], states: dict[str, dict[str, Tensor]]) -> None:
    for name, layer in layers.items():
        for key, buffer in layer.named_buffers(recurse=False):
            buffer.copy_(states[name][key])


def _change(name: str, before: dict[str, Tensor], after: dict[str, Tensor]) -> BatchNormChange:
    old, new = (_variance(state) for state in (before, after))
    tiny = torch.finfo(old.dtype).tiny
    ratio = (new.clamp(min=tiny) / old.clamp(min=tiny)).log().mean().exp()
    shift = ((after["running_mean"] - before["running_mean"]).abs() / old.clamp(min=tiny).sqrt()).max()
    return BatchNormChange(layer=name, mean_shift=float(shift), variance_ratio=float(ratio))


def _variance(state: dict[str, Tensor]) -> Tensor:
    """Return the variance, or the square of the deviation that a layer keeps instead."""
    return state["running_var"] if "running_var" in state else state["running_deviation"].square()
