"""A short training after pruning, or with SPARQ's straight-through gradients."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from benchmarks.sparq.cifar import BATCH, augmented
from benchmarks.sparq.resnet import normalized
from brevitas_ext.demo.data import load_dataset

MOMENTUM, DECAY = 0.9, 1e-4

_log = logging.getLogger("training")


def train(
    network: nn.Module,
    data: Path,
    epochs: int,
    *,
    rate: float,
    seed: int,
    masks: Mapping[nn.Conv2d, Tensor] | None = None,
) -> None:
    """Train on augmented images, learning rate down to zero by a cosine, with masked weights held at zero."""
    images, labels = load_dataset(data, "train")
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=MOMENTUM, weight_decay=DECAY)
    batches = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    network.train()
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(images), generator=generator).split(BATCH)[:batches]:
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(normalized(augmented(images[batch], generator))), labels[batch])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            with torch.no_grad():
                for layer, mask in (masks or {}).items():
                    layer.weight.mul_(mask)
        _log.info("epoch %d, mean loss %.4f", epoch + 1, total / batches)
    network.eval()
