"""CIFAR-10 as the checkpoints were trained on it: images for calibration, augmented ones for batch normalization."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor

from benchmarks.cifar.resnet import normalized
from brevitas_ext.demo.data import load_dataset

BATCH = 128
"""Of the training that the checkpoints come from."""
_BORDER, _SIDE = 4, 32


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return bytes (N, 3, 32, 32), each flipped or not and cut out of itself with a black border of 4 pixels."""
    flipped = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(flipped[:, None, None, None], images.flip(3), images)
    framed = functional.pad(images, (_BORDER,) * 4)
    corners = torch.randint(2 * _BORDER + 1, (len(images), 2), generator=generator)
    rows, columns = (corners[:, at, None] + torch.arange(_SIDE) for at in (0, 1))
    return framed[torch.arange(len(images))[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )


def calibration_batches(data: Path, count: int, seed: int) -> list[Tensor]:
    """Return batches of training images drawn at random, as they are."""
    return list(normalized(_drawn(data, count, torch.Generator().manual_seed(seed))).split(BATCH))


def judging_batches(data: Path, count: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Return batches of training images as they are and their labels: the last ones in the order of the others."""
    images, labels = load_dataset(data, "train")
    last = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[-count:]
    return list(zip(normalized(images[last]).split(BATCH), labels[last].split(BATCH), strict=True))


def augmented_batches(data: Path, count: int, seed: int) -> list[Tensor]:
    """Return batches of training images drawn at random, augmented as in training."""
    generator = torch.Generator().manual_seed(seed)
    return list(normalized(augmented(_drawn(data, count, generator), generator)).split(BATCH))


def _drawn(data: Path, count: int, generator: torch.Generator) -> Tensor:
    images, _ = load_dataset(data, "train")
    return images[torch.randperm(len(images), generator=generator)[:count]]
