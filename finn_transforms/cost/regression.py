"""Fitting constants to measured LUTs, with the error that counts: relative, and on what was not fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_LEAST_OF_FEW = 0.05


@dataclass(frozen=True)
class Observation:
    """One measured configuration.

    Attributes:
        amounts: What it has of each thing whose constant is sought, by name.
        measured: What was measured, more than 0.
        counted: The part of it that needs no constant.
    """

    amounts: Mapping[str, float]
    measured: float
    counted: float = 0.0


def fit(observations: Sequence[Observation], prior: Mapping[str, float], *, trust: float = 1e-3) -> dict[str, float]:
    """Return the constants, none negative, that make the squared relative errors least.

    A constant that the observations do not determine stays near what is expected of it.

    Args:
        observations: at least one.
        prior: every constant, with what is expected of it, more than 0.
        trust: weight of a constant being wrong by all of its expected value, against one observation's relative error.

    Raises:
        KeyError: an observation has an amount of something without an expectation.
    """
    names = list(prior)
    column = {name: index for index, name in enumerate(names)}
    expected = np.array([prior[name] for name in names])
    matrix = np.zeros((len(observations), len(names)))
    for row, observation in enumerate(observations):
        for name, amount in observation.amounts.items():
            matrix[row, column[name]] = amount
    target = np.array([observation.measured - observation.counted for observation in observations])
    weight = 1 / np.array([observation.measured for observation in observations])
    # Unknowns in units of what is expected of them, so that all are about 1.
    scaled = matrix * weight[:, None] * expected
    rows = np.vstack([scaled, np.sqrt(trust) * np.eye(len(names))])
    goal = np.concatenate([target * weight, np.full(len(names), np.sqrt(trust))])
    return dict(zip(names, (_nonnegative(rows, goal) * expected).tolist(), strict=True))


def _nonnegative(matrix: Vector, target: Vector) -> Vector:
    """Solve least squares over x >= 0 (Lawson and Hanson, "Solving Least Squares Problems", 1974, chapter 23)."""
    count = matrix.shape[1]
    free = np.zeros(count, dtype=bool)
    x = np.zeros(count)
    for _ in range(10 * count):
        gradient = matrix.T @ (target - matrix @ x)
        blocked = np.where(free, -np.inf, gradient)
        if free.all() or blocked.max() <= 1e-10:
            return x
        free[int(blocked.argmax())] = True
        while True:
            trial = np.zeros(count)
            trial[free] = np.linalg.lstsq(matrix[:, free], target, rcond=None)[0]
            if trial[free].min(initial=1.0) > 0:
                break
            negative = free & (trial <= 0)
            step = (x[negative] / (x[negative] - trial[negative])).min()
            x += step * (trial - x)
            free &= x > 1e-12
            x[~free] = 0
        x = trial
    return x


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far the truth is from an estimate: at most `absolute` LUTs or `relative` of it, whichever is more."""

    relative: float
    absolute: float

    def interval(self, luts: int) -> tuple[int, int]:
        """Return the least and the most LUTs that the truth is expected to have."""
        half = max(self.absolute, self.relative * luts)
        return max(0, int(luts - half)), ceil(luts + half)


def spread(estimates: Sequence[int], truths: Sequence[int], *, coverage: float = 0.97, absolute: float = 3.0) -> Spread:
    """Return the narrowest spread that holds so many of some configurations that were not fitted.

    The quantile is that of split conformal prediction (Lei et al., "Distribution-Free Predictive Inference For
    for that, half as much again as the largest, and at least `_LEAST_OF_FEW`, which promises nothing exact.

    Args:
        estimates: LUTs estimated, more than 0.
        truths: LUTs synthesised.
        coverage: share that is to be held.
        absolute: LUTs that an estimate may always be wrong by.
    """
    errors = sorted(
        0.0 if abs(truth - estimate) <= absolute else abs(truth - estimate) / estimate
        for estimate, truth in zip(estimates, truths, strict=True)
    )
    rank = ceil((len(errors) + 1) * coverage)
    relative = errors[rank - 1] if rank <= len(errors) else max(_LEAST_OF_FEW, 1.5 * errors[-1])
    return Spread(relative=relative, absolute=absolute)


def mean_relative_error(estimates: Sequence[int], truths: Sequence[int]) -> float:
    """Return the mean of ``|estimate - truth| / truth``."""
    found, expected = np.asarray(estimates, dtype=float), np.asarray(truths, dtype=float)
    return float(np.mean(np.abs(found - expected) / expected))
