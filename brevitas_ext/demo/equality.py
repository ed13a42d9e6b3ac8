"""Whether the hardware's integers give what Brevitas gives, image by image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor

from brevitas_ext.demo.model import DemoNet, to_input
from finn_transforms.emulate import emulate


@dataclass(frozen=True, kw_only=True)
class Equality:
    """Brevitas against the emulated hardware graph on a set of images.

    Attributes:
        images: number of images.
        differing_logits: images of which a class's integer differs.
        differing_classes: images of which the predicted class differs.
        correct: images that the hardware classifies right.
        brevitas_correct: images that Brevitas classifies right.
    """

    images: int
    differing_logits: tuple[int, ...]
    differing_classes: tuple[int, ...]
    correct: int
    brevitas_correct: int


def compare(model: DemoNet, hardware: ir.Model, images: Tensor, labels: Tensor, *, batch: int = 50) -> Equality:
    """Compare a network with its hardware graph.

    Both give one integer per class times one positive scale; Brevitas computes it in float32, so it is brought back to
    the integer by rounding.

    Args:
        model: the trained network.
        hardware: the graph that `finn_transforms.build.build` made of its export.
        images: uint8 (N, 3, 32, 32).
        labels: int64 (N,).
        batch: images at a time.
    """
    trained = np.concatenate([_trained_logits(model, part) for part in images.split(batch)])
    emulated = np.concatenate([_hardware_logits(hardware, part) for part in images.split(batch)])
    step = _logit_step(model, images[:1])
    differing = (np.rint(trained / step) != np.rint(emulated / step)).any(axis=1)
    classes, expected = emulated.argmax(axis=1), trained.argmax(axis=1)
    return Equality(
        images=len(images),
        differing_logits=tuple(np.flatnonzero(differing).tolist()),
        differing_classes=tuple(np.flatnonzero(classes != expected).tolist()),
        correct=int((classes == labels.numpy()).sum()),
        brevitas_correct=int((expected == labels.numpy()).sum()),
    )


@torch.no_grad()
def _trained_logits(model: DemoNet, images: Tensor) -> NDArray[np.float64]:
    return np.asarray(model(to_input(images)).numpy(), dtype=np.float64)


def _hardware_logits(hardware: ir.Model, images: Tensor) -> NDArray[Any]:
    (name,) = (value.name for value in hardware.graph.inputs)
    values = emulate(hardware, {name or "": to_input(images).numpy()})
    return values[hardware.graph.outputs[0].name or ""]


@torch.no_grad()
def _logit_step(model: DemoNet, image: Tensor) -> float:
    """Return the scale of the logits' integers: the classifier's weight scale times that of its input."""
    layers: list[Any] = list(model.children())
    classifier = layers.pop()
    x: Any = to_input(image)
    for layer in layers:
        x = layer(x)
    return float(classifier.quant_weight().scale.double() * x.scale.double())
