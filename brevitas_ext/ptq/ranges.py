"""What range a layer's input has: the statistics that a scale is calibrated by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from brevitas_ext.ptq.running import Loader, evaluating, images_of

RangeMethod: TypeAlias = Literal["mean_max", "min_max", "percentile"]


@dataclass(frozen=True, kw_only=True)
class InputRange:
    """What was seen at a layer's input.

    Attributes:
        low: the lowest value of all.
        high: the upper end of the range by the chosen method.
        images: over how many images.
    """

    low: float
    high: float
    images: int


def input_ranges(
    model: nn.Module,
    loader: Loader,
    layers: Mapping[str, nn.Module],
    *,
    method: RangeMethod = "mean_max",
    percentile: float = 99.99,
) -> dict[str, InputRange]:
    """Return the ranges of the inputs of layers, in the order in which the layers are called first.

    Args:
        model: the model, run in evaluation mode and left as it was.
        loader: batches of images.
        layers: modules of the model by name.
        method: ``"mean_max"``, the mean over images of the per-image maximum, as SPARQ's authors do; ``"min_max"``, the
            maximum over all images; ``"percentile"``, the mean over images of the per-image percentile.
        percentile: which one, in percent.

    Raises:
        ValueError: the method or percentile does not exist, there is no image, or a layer was never called.
    """
    if method not in get_args(RangeMethod):
        raise ValueError(f"calibration: expected a method out of {get_args(RangeMethod)}, found {method!r}")
    if not 0 < percentile <= 100:
        raise ValueError(f"calibration: expected a percentile above 0 and up to 100, found {percentile}")
    seen: dict[str, list[Tensor]] = {}
    lows: dict[str, float] = {}

    def watch(name: str) -> Any:
        def note(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            x = inputs[0].value if not isinstance(inputs[0], Tensor) else inputs[0]
            images = x.detach().flatten(1)
            lows[name] = min(lows.get(name, float("inf")), float(images.min()))
            seen.setdefault(name, []).append(_highest(images, method, percentile).cpu())

        return note

    hooks = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers.items()]
    try:
        with evaluating(model):
            for images in images_of(loader, model):
                model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if missing := [name for name in layers if name not in seen]:
        raise ValueError(f"calibration: expected the layer {missing[0]!r} to be called, found that it was not")
    return {name: _range(lows[name], torch.cat(values).double(), method) for name, values in seen.items()}


def relu_ranges(
    model: nn.Module, loader: Loader, *, method: RangeMethod = "mean_max", percentile: float = 99.99
) -> dict[str, InputRange]:
    """Return the ranges of what the ``nn.ReLU`` layers of a model give.

    Arguments are those of `input_ranges`.

    Raises:
        ValueError: the model has no such layer, or calls one at several places, whose ranges differ.
    """
    relus = {name: module for name, module in model.named_modules() if type(module) is nn.ReLU}
    if not relus:
        raise ValueError(
            "calibration: expected nn.ReLU layers, found none; replace torch.relu and F.relu by layers, or quantize at "
            "the inputs of the convolutions"
        )
    found = input_ranges(model, loader, relus, method=method, percentile=percentile)
    images = min(seen.images for seen in found.values())
    for name, seen in found.items():
        if seen.images != images:
            raise ValueError(
                f"calibration: expected every nn.ReLU to be called once per image, found {name!r} called "
                f"{seen.images / images:g} times as often as another; give every place a layer of its own"
            )
    return found


def _range(low: float, highest: Tensor, method: RangeMethod) -> InputRange:
    high = highest.max() if method == "min_max" else highest.mean()
    return InputRange(low=low, high=float(high), images=highest.numel())


def _highest(images: Tensor, method: RangeMethod, percentile: float) -> Tensor:
    """Return each image's upper end, (N,)."""
    if method != "percentile":
        return images.amax(dim=1)
    rank = max(1, round(percentile / 100 * images.shape[1]))
    return images.float().kthvalue(rank, dim=1).values
