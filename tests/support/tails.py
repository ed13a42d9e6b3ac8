"""Random element-wise tails, each with an oracle in plain numpy and decimal arithmetic."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.graphs import GraphBuilder

_DECIMAL_ROUNDING = {
    "ROUND": decimal.ROUND_HALF_EVEN,
    "CEIL": decimal.ROUND_CEILING,
    "FLOOR": decimal.ROUND_FLOOR,
    "UP": decimal.ROUND_UP,
    "DOWN": decimal.ROUND_DOWN,
    "HALF_UP": decimal.ROUND_HALF_UP,
    "HALF_DOWN": decimal.ROUND_HALF_DOWN,
}

KINDS = ("mul", "div", "add", "sub", "rsub", "neg", "bn", "relu", "clip", "identity", "dropout")


def rounded(value: float, mode: str) -> int:
    """Round a float exactly."""
    return int(decimal.Decimal(value).to_integral_value(rounding=_DECIMAL_ROUNDING[mode]))


@dataclass(frozen=True)
class Step:
    """One operator with its constants, a row per constant and a value per channel or one for all."""

    kind: str
    constants: tuple[tuple[float, ...], ...] = ()

    def arrays(self, shape: tuple[int, ...]) -> list[NDArray[np.float32]]:
        return [np.array(row, np.float32).reshape(shape if len(row) > 1 else ()) for row in self.constants]

    def add_to(self, graph: GraphBuilder, x: str, shape: tuple[int, ...]) -> str:
        if self.kind == "bn":
            return graph.batch_norm(x, *(np.array(row, np.float32) for row in self.constants), epsilon=0.0)
        names = [graph.constant(array) for array in self.arrays(shape)]
        operators = {"mul": "Mul", "div": "Div", "add": "Add", "sub": "Sub", "rsub": "Sub", "clip": "Clip"}
        operators |= {"neg": "Neg", "relu": "Relu", "identity": "Identity", "dropout": "Dropout"}
        return graph.node(operators[self.kind], [*names, x] if self.kind == "rsub" else [x, *names])

    def __call__(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the step of (C, n)."""
        constants = [np.array(row, np.float32).astype(np.float64).reshape(-1, 1) for row in self.constants]
        functions: dict[str, Callable[..., Any]] = {
            "mul": lambda c: y * c,
            "div": lambda c: y / c,
            "add": lambda c: y + c,
            "sub": lambda c: y - c,
            "rsub": lambda c: c - y,
            "neg": lambda: -y,
            "bn": lambda scale, bias, mean, variance: (y - mean) / np.sqrt(variance) * scale + bias,
            "relu": lambda: np.where(y > 0, y, 0.0),
            "clip": lambda low, high: np.where(y < low, low, np.where(y > high, high, y)),
            "identity": lambda: y,
            "dropout": lambda: y,
        }
        return np.asarray(functions[self.kind](*constants))


@dataclass(frozen=True, kw_only=True)
class TailSpec:
    """A tail and the quantizer that ends it."""

    steps: tuple[Step, ...]
    scale: float
    bits: int
    signed: bool
    narrow: bool
    rounding: str
    codes: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        low = -(2 ** (self.bits - 1)) if self.signed else 0
        high = low + 2**self.bits - 1
        object.__setattr__(
            self, "codes", (low + (self.signed and self.narrow), high - (not self.signed and self.narrow))
        )

    def add_to(self, graph: GraphBuilder, x: str, shape: tuple[int, ...]) -> str:
        for step in self.steps:
            x = step.add_to(graph, x, shape)
        return graph.quant(x, self.scale, self.bits, signed=self.signed, narrow=self.narrow, rounding=self.rounding)

    def codes_of(self, y: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the integers of (C, n) real accumulators, and raise ValueError on a NaN."""
        with np.errstate(all="ignore"):
            for step in self.steps:
                y = step(y)
            y = y / np.float64(np.float32(self.scale))
        low, high = self.codes
        if np.isnan(y).any():
            raise ValueError("NaN")
        clipped = np.where(y < low, float(low), np.where(y > high, float(high), y))
        return np.array([[rounded(value, self.rounding) for value in row] for row in clipped.tolist()])


def _numbers() -> st.SearchStrategy[float]:
    dyadic = st.builds(lambda sign, exponent: sign * 2.0**exponent, st.sampled_from([-1, 1]), st.integers(-6, 3))
    halves = st.integers(-40, 40).map(lambda number: number / 8)
    extreme = st.sampled_from([1e-30, -1e-30, 1e30, -1e30, 1e-8, 3e-3, 1e4])
    return st.one_of(dyadic, halves, st.floats(-4, 4, width=32), extreme)


@st.composite
def _steps(draw: st.DrawFn, channels: int) -> Step:
    kind = draw(st.sampled_from(KINDS))
    rows = {"mul": 1, "div": 1, "add": 1, "sub": 1, "rsub": 1, "bn": 4, "clip": 2}.get(kind, 0)
    sizes = [channels if kind == "bn" or (kind != "clip" and draw(st.booleans())) else 1] * rows
    constants = [draw(st.lists(_numbers(), min_size=size, max_size=size)) for size in sizes]
    if kind == "bn":
        constants[3] = [abs(value) or 1.0 for value in constants[3]]
    if kind == "div":
        constants[0] = [value or 1.0 for value in constants[0]]
    if kind == "clip":
        constants.sort()
    return Step(kind, tuple(map(tuple, constants)))


@st.composite
def tails(draw: st.DrawFn, channels: int) -> TailSpec:
    """Return a strategy for tails of up to four operators behind an accumulator with that many channels."""
    return TailSpec(
        steps=tuple(draw(st.lists(_steps(channels), max_size=4))),
        scale=draw(st.one_of(st.sampled_from([2.0, 1.0, 0.5, 0.25, 1 / 16]), st.floats(2.0**-6, 8, width=32))),
        bits=draw(st.integers(2, 8)),
        signed=draw(st.booleans()),
        narrow=draw(st.booleans()),
        rounding=draw(st.sampled_from(sorted(_DECIMAL_ROUNDING))),
    )
