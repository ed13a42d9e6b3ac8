"""A small float residual network with every kind of shortcut: none, without parameters (option A), and a projection."""

import torch
import torch.nn.functional as functional
from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions and a shortcut: a projection, or where the sizes differ, fewer pixels and channels of zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, projects: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 1)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.project = nn.Conv2d(inputs, outputs, 1, stride) if projects else None
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        if self.project is not None:
            return self.relu2(y + self.project(x))
        if self.stride > 1:
            x = functional.pad(functional.max_pool2d(x, 1, self.stride), (0, 0, 0, 0, 1, self.extra - 1))
        return self.relu2(y + x)


class Shortcuts(nn.Module):
    """An image (N, 2, 8, 8) through a block of each kind, to 3 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.bn, self.relu = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU()
        self.same, self.wider, self.projected = Block(2, 2, 1), Block(2, 4, 2), Block(4, 4, 1, projects=True)
        self.classify = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.projected(self.wider(self.same(self.relu(self.bn(self.first(x))))))
        return self.classify(functional.adaptive_avg_pool2d(y, 1).flatten(1))


def images(count: int = 2, size: int = 16, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, 2, 8, 8, generator=generator) for _ in range(count)]


def shortcuts(seed: int = 0) -> Shortcuts:
    """Return a network whose statistics fit `images`."""
    torch.manual_seed(seed)
    model = Shortcuts().train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        for batch in images(4, seed=seed):
            model(batch)
    return model.eval()
