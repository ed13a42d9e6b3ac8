"""Running a model on calibration images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Loader: TypeAlias = Iterable["Tensor | Sequence[Tensor]"]
"""Batches of images, alone or as the first of several tensors, as torch's `DataLoader` gives them; read repeatedly."""


def images_of(loader: Loader, model: nn.Module) -> Iterator[Tensor]:
    """Yield the images of a loader's batches on the device of a model; errors are those of `batches_of`."""
    for images, _ in batches_of(loader, model):
        yield images


def batches_of(loader: Loader, model: nn.Module) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield images and, where a batch has them, labels, integers (N,), on the device of a model.

    Raises:
        TypeError: a batch is neither a tensor nor starts with one.
        ValueError: there is no batch.
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    found = False
    for batch in loader:
        parts: list[Any] = [batch] if isinstance(batch, Tensor | Mapping) else list(batch)
        images = parts[0] if parts else None
        if not isinstance(images, Tensor):
            raise TypeError(
                f"calibration: expected batches of images, alone or before their labels, found {type(batch).__name__}"
            )
        found = True
        yield images.to(device), _labels(images, parts[1:], device)
    if not found:
        raise ValueError(
            "calibration: expected at least one batch, found none; pass a list or DataLoader, which can be read "
            "several times, not a generator"
        )


def _labels(images: Tensor, others: list[Any], device: torch.device) -> Tensor | None:
    labels = others[0] if others else None
    if not isinstance(labels, Tensor) or labels.shape != images.shape[:1] or labels.dtype.is_floating_point:
        return None
    return labels.to(device, torch.int64)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode without gradients, and every module back into its mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.no_grad():
            model.eval()
            yield
    finally:
        for module, training in modes:
            module.training = training
