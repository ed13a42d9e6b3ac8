"""A short training of a network that is trained already: after pruning, after quantization, with either's gradients."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from benchmarks.cifar.images import BATCH, augmented
from benchmarks.cifar.resnet import normalized

MOMENTUM, DECAY = 0.9, 1e-4
LOGGED = 50
"""Every how many steps the loss is told."""

_log = logging.getLogger("training")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast: the learning rate goes down to zero by a cosine.

    Attributes:
        steps: batches in all.
        rate: learning rate at the start.
        seed: of the order and the augmentation of the images.
        batch: images in a step.
    """

    steps: int
    rate: float
    seed: int
    batch: int = BATCH


def epochs(count: int, images: int, batch: int = BATCH) -> int:
    """Return how many steps there are in whole epochs; what does not fill a batch is left out."""
    return count * (images // batch)


def sgd(parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=rate, momentum=MOMENTUM, weight_decay=DECAY)


def augmented_and_normalized(images: Tensor, generator: torch.Generator) -> Tensor:
    return normalized(augmented(images, generator))


def train(
    network: nn.Module,
    data: tuple[Tensor, Tensor],
    schedule: Schedule,
    *,
    prepare: Callable[[Tensor, torch.Generator], Tensor] = augmented_and_normalized,
    optimizer_of: Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer] = sgd,
    masks: Mapping[nn.Conv2d, Tensor] | None = None,
) -> list[float]:
    """Train on images and labels, with masked weights held at zero; return the loss of every step."""
    images, labels = data
    device = next(network.parameters()).device
    generator = torch.Generator().manual_seed(schedule.seed)
    optimizer = optimizer_of(network.parameters(), schedule.rate)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, schedule.steps)
    network.train()
    losses: list[float] = []
    while len(losses) < schedule.steps:
        whole = epochs(1, len(images), schedule.batch)
        for batch in torch.randperm(len(images), generator=generator).split(schedule.batch)[:whole]:
            optimizer.zero_grad()
            x, expected = prepare(images[batch], generator).to(device), labels[batch].to(device)
            loss = functional.cross_entropy(network(x), expected)
            loss.backward()
            optimizer.step()
            cosine.step()
            losses.append(loss.item())
            with torch.no_grad():
                for layer, mask in (masks or {}).items():
                    layer.weight.mul_(mask)
            if len(losses) % LOGGED == 0:
                _log.info("step %d, mean loss %.4f", len(losses), sum(losses[-LOGGED:]) / LOGGED)
            if len(losses) == schedule.steps:
                break
    network.eval()
    return losses
