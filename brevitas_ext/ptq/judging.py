"""A paired test on held-back images: whether a change of a model is better than chance would have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from brevitas_ext.ptq.running import Loader, batches_of, evaluating

Measure: TypeAlias = Literal["cross-entropy of the labels", "divergence from the float model"]
Batches: TypeAlias = Iterator[tuple[Tensor, Tensor | None]]

MARGIN: Final = 2.0
"""Standard errors that the mean gain has to exceed: by chance alone, one change in 44 does."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """How two states of a model compare on the same images.

    Attributes:
        measure: what is compared, lower is better.
        before: its mean over the images in the first state.
        after: that in the second.
        standard_error: of the mean difference, image by image; infinite for a single image.
        images: how many.
    """

    measure: Measure
    before: float
    after: float
    standard_error: float
    images: int

    @property
    def better(self) -> bool:
        """Whether the mean gain exceeds `MARGIN` standard errors."""
        return self.before - self.after > MARGIN * self.standard_error

    def __str__(self) -> str:
        gain = self.before - self.after
        verdict = "above" if self.better else "not above"
        return (
            f"mean {self.measure} of {self.images} held-back images {self.before:.5g} to {self.after:.5g}, gain "
            f"{gain:.3g} {verdict} {MARGIN:g} standard errors of {self.standard_error:.3g}"
        )


def compare_states(
    model: nn.Module,
    states: tuple[Callable[[], None], Callable[[], None]],
    reference: nn.Module | None,
    batches: Batches,
) -> Judgement:
    """Compare two states of a model, image by image.

    Where all batches have labels, integers (N,) beside outputs (N, C), the measure is the cross-entropy; else it is the
    Kullback-Leibler divergence from the reference's softmax, or the mean square of the difference for other outputs.

    Args:
        model: what is judged; left in the second state.
        states: functions that put it into its first and second state.
        reference: the float model, needed where there are no labels.
        batches: images, with or without labels.

    Raises:
        TypeError: a model returns no tensor.
        ValueError: there are neither labels nor a reference.
    """
    losses: tuple[list[Tensor], list[Tensor]] = [], []
    measures: set[Measure] = set()
    with evaluating(model), evaluating(model if reference is None else reference):
        for images, labels in batches:
            expected = None if reference is None else _plain(reference(images)).double()
            for state, seen in zip(states, losses, strict=True):
                state()
                measure, loss = _losses(_plain(model(images)).double(), labels, expected)
                seen.append(loss)
                measures.add(measure)
    if len(measures) > 1:
        raise ValueError("judging: expected labels in every batch or in none, found both; pass one kind of batches")
    before, after = torch.cat(losses[0]), torch.cat(losses[1])
    gains = before - after
    error = float(gains.std() / gains.numel() ** 0.5) if gains.numel() > 1 else float("inf")
    return Judgement(
        measure=measures.pop(),
        before=float(before.mean()),
        after=float(after.mean()),
        standard_error=error,
        images=gains.numel(),
    )


def _losses(found: Tensor, labels: Tensor | None, expected: Tensor | None) -> tuple[Measure, Tensor]:
    """Return what is measured and its value per image, (N,)."""
    if labels is not None and found.ndim == 2 and labels.shape == found.shape[:1]:
        return "cross-entropy of the labels", functional.cross_entropy(found, labels, reduction="none")
    if expected is None:
        raise ValueError(
            f"judging: expected labels, integers ({found.shape[0]},), or the float model to compare with, found "
            "neither; pass reference="
        )
    if expected.ndim == 2:
        apart = functional.kl_div(found.log_softmax(1), expected.log_softmax(1), log_target=True, reduction="none")
        return "divergence from the float model", apart.sum(1)
    return "divergence from the float model", (found - expected).square().flatten(1).mean(1)


def held_back(loader: Loader, model: nn.Module, *, judged: bool) -> Batches:
    """Yield a quarter of every batch to judge on, its last images and at least one, or the rest.

    Raises:
        ValueError: a batch has a single image.
    """
    for images, labels in batches_of(loader, model):
        count = -(-images.shape[0] // 4)
        if images.shape[0] == count:
            raise ValueError(
                f"judging: expected batches of two images or more, found {images.shape[0]}; give images of their own "
                "to judge on, judge="
            )
        part = slice(-count, None) if judged else slice(-count)
        yield images[part], None if labels is None else labels[part]


def _plain(output: object) -> Tensor:
    value = getattr(output, "value", output)
    if not isinstance(value, Tensor):
        raise TypeError(f"judging: expected models that return a tensor to compare, found {type(output).__name__}")
    return value
