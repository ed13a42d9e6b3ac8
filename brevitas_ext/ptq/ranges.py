"""What range a layer's input or result has: the statistics that a scale is calibrated by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from brevitas_ext.ptq.running import Loader, evaluating, images_of

RangeMethod: TypeAlias = Literal["mean_max", "min_max", "percentile"]


@dataclass(frozen=True, kw_only=True)
class InputRange:
    """What was seen at a layer's input, or of its results.

    Attributes:
        low: the lowest value of all at an input; of results, the lower end of the range by the chosen method.
        high: the upper end of the range by the chosen method.
        images: over how many images.
    """

    low: float
    high: float
    images: int

    @property
    def magnitude(self) -> float:
        """The largest distance from zero."""
        return max(self.high, -self.low)


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
    _check(method, percentile)
    seen: dict[str, list[Tensor]] = {}
    lows: dict[str, float] = {}

    def note(name: str, images: Tensor) -> None:
        lows[name] = min(lows.get(name, float("inf")), float(images.min()))
        seen.setdefault(name, []).append(_highest(images, method, percentile).cpu())

    _watch(model, loader, layers, note, results=False)
    return {name: _range(lows[name], torch.cat(values).double(), method) for name, values in seen.items()}


def result_ranges(
    model: nn.Module,
    loader: Loader,
    layers: Mapping[str, nn.Module],
    *,
    method: RangeMethod = "mean_max",
    percentile: float = 99.99,
) -> dict[str, InputRange]:
    """Return the ranges of what layers give, both ends by the chosen method.

    Arguments and errors are those of `input_ranges`.
    """
    _check(method, percentile)
    seen: dict[str, tuple[list[Tensor], list[Tensor]]] = {}

    def note(name: str, images: Tensor) -> None:
        for side, values in zip(seen.setdefault(name, ([], [])), (images, -images), strict=True):
            side.append(_highest(values, method, percentile).cpu())

    _watch(model, loader, layers, note, results=True)
    found: dict[str, InputRange] = {}
    for name, (highs, lows) in seen.items():
        below = _range(0.0, torch.cat(lows).double(), method)
        found[name] = _range(-below.high, torch.cat(highs).double(), method)
    return found


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


def _check(method: RangeMethod, percentile: float) -> None:
    if method not in get_args(RangeMethod):
        raise ValueError(f"calibration: expected a method out of {get_args(RangeMethod)}, found {method!r}")
    if not 0 < percentile <= 100:
        raise ValueError(f"calibration: expected a percentile above 0 and up to 100, found {percentile}")


def _watch(
    model: nn.Module,
    loader: Loader,
    layers: Mapping[str, nn.Module],
    note: Callable[[str, Tensor], None],
    *,
    results: bool,
) -> None:
    """Run a model and note what its layers read or give, as (N, values per image)."""
    called: set[str] = set()

    def hook(name: str) -> Any:
        def see(_module: nn.Module, inputs: tuple[Any, ...], *outputs: Any) -> None:
            called.add(name)
            (x,) = outputs if results else inputs[:1]
            note(name, (x if isinstance(x, Tensor) else x.value).detach().flatten(1))

        return see

    hooks = [
        layer.register_forward_hook(hook(name)) if results else layer.register_forward_pre_hook(hook(name))
        for name, layer in layers.items()
    ]
    try:
        with evaluating(model):
            for images in images_of(loader, model):
                model(images)
    finally:
        for each in hooks:
            each.remove()
    if missing := [name for name in layers if name not in called]:
        raise ValueError(f"calibration: expected the layer {missing[0]!r} to be called, found that it was not")


def _range(low: float, highest: Tensor, method: RangeMethod) -> InputRange:
    high = highest.max() if method == "min_max" else highest.mean()
    return InputRange(low=low, high=float(high), images=highest.numel())


def _highest(images: Tensor, method: RangeMethod, percentile: float) -> Tensor:
    """Return each image's upper end, (N,)."""
    if method != "percentile":
        return images.amax(dim=1)
    rank = max(1, round(percentile / 100 * images.shape[1]))
    return images.float().kthvalue(rank, dim=1).values
