"""CIFAR-10 ResNets in floating point, in the layout of the public checkpoints ``resnet20-12fca82f.th`` and the like.

He et al., "Deep Residual Learning", section 4.2: 6n + 2 layers, shortcuts without parameters (option A).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the images that the checkpoints were trained on."""


class Block(nn.Module):
    """Two convolutions and what comes in, thinned out and filled with channels of zeros where the sizes differ.

    Every step also takes Brevitas's quantized tensors, which have no slices.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.stride, self.extra = stride, (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        found = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = functional.pad(functional.max_pool2d(x, 1, self.stride), (0, 0, 0, 0, self.extra, self.extra))
        return self.relu2(found + x)


class CifarResNet(nn.Module):
    """A ResNet for images of 32 x 32."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        blocks, inputs = (depth - 2) // 6, 16
        for number, (outputs, stride) in enumerate(((16, 1), (32, 2), (64, 2)), start=1):
            layers = [Block(inputs if at == 0 else outputs, outputs, stride if at == 0 else 1) for at in range(blocks)]
            self.add_module(f"layer{number}", nn.Sequential(*layers))
            inputs = outputs
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        for number in (1, 2, 3):
            x = getattr(self, f"layer{number}")(x)
        return self.linear(functional.adaptive_avg_pool2d(x, 1).flatten(1))


def load(checkpoint: Path) -> CifarResNet:
    """Return the network of a checkpoint, in evaluation mode; its depth is told by its keys."""
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    state: Mapping[str, Tensor] = stored.get("state_dict", stored)
    state = {name.removeprefix("module."): value for name, value in state.items()}
    blocks = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("layer1."))
    network = CifarResNet(6 * blocks + 2)
    network.load_state_dict(state)
    return network.eval()


def normalized(images: Tensor) -> Tensor:
    """Return bytes (N, 3, 32, 32) as the checkpoints expect images."""
    mean, deviation = (torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, DEVIATION))
    return (images.float() / 255 - mean) / deviation


@torch.no_grad()
def answers(network: nn.Module, images: Tensor, batch: int = 250) -> Tensor:
    """Return the classes (N,) that a network takes bytes (N, 3, 32, 32) for."""
    device = next(network.parameters()).device
    return torch.cat([network(normalized(part).to(device)).argmax(1).cpu() for part in images.split(batch)])


def accuracy(network: nn.Module, images: Tensor, labels: Tensor, batch: int = 250) -> float:
    """Return the share of right answers, %."""
    return percent(answers(network, images, batch) == labels)


def percent(right: Tensor) -> float:
    """Return the share of true elements, %."""
    return 100 * int(right.sum()) / right.numel()
