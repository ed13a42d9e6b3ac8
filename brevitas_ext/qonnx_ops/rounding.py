"""The rounding modes of QONNX's `Quant` and `Trunc`: names, golden function and ONNX text."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class Rounding(StrEnum):
    """A rounding mode under the name that is written to a file; `parse` also reads QONNX's other names."""

    ROUND = "ROUND"
    """To the nearest integer, ties to the even one."""
    CEIL = "CEIL"
    """Towards plus infinity."""
    FLOOR = "FLOOR"
    """Towards minus infinity."""
    UP = "UP"
    """Away from zero."""
    DOWN = "DOWN"
    """Towards zero."""
    HALF_UP = "HALF_UP"
    """To the nearest integer, ties away from zero."""
    HALF_DOWN = "HALF_DOWN"
    """To the nearest integer, ties towards zero."""

    @classmethod
    def parse(cls, name: str) -> Self:
        """Reads a mode by any name that QONNX or Brevitas writes, in any case.

        Raises:
            ValueError: the name is unknown.
        """
        canonical = _ALIASES.get(name.upper(), name.upper())
        if canonical not in cls.__members__:
            known = ", ".join([*cls.__members__, *_ALIASES])
            raise ValueError(f"Expected a rounding mode out of {known}, found {name!r}. Use one of these.")
        return cls(canonical)

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Rounds floats of any shape to integral floats of the same dtype, exactly; every mode is monotone.

        QONNX adds or subtracts a half in floating point for `HALF_UP` and `HALF_DOWN`, which rounds the float below
        one half up and goes wrong beyond 2^23 in float32; here the fraction is compared instead.
        """
        if self is Rounding.ROUND:
            return np.asarray(np.rint(values))
        if self is Rounding.CEIL:
            return np.asarray(np.ceil(values))
        if self is Rounding.FLOOR:
            return np.asarray(np.floor(values))
        magnitude = np.abs(values)
        whole = np.floor(magnitude)
        fraction = magnitude - whole
        if self is Rounding.UP:
            away = fraction > 0
        elif self is Rounding.DOWN:
            away = np.zeros_like(fraction, dtype=bool)
        elif self is Rounding.HALF_UP:
            away = fraction >= 0.5
        else:
            away = fraction > 0.5
        return np.asarray(np.copysign(whole + away.astype(whole.dtype), values))


_ALIASES = {"HALF_EVEN": "ROUND", "ROUND_TO_ZERO": "DOWN"}

_STEP = "{r}_step = Cast <to = 1> ({r}_away) {r}_up = Add ({r}_whole, {r}_step) {r} = Mul ({r}_sign, {r}_up)"
_SIGN = "{r}_sign = Sign ({x}) {r}_size = Abs ({x})"
_SPLIT = (
    f"{_SIGN} {{r}}_whole = Floor ({{r}}_size) {{r}}_part = Sub ({{r}}_size, {{r}}_whole) "
    "{r}_half = Constant <value_float: float = 0.5> ()"
)

_TEXT = {
    Rounding.ROUND: "{r} = Round ({x})",
    Rounding.CEIL: "{r} = Ceil ({x})",
    Rounding.FLOOR: "{r} = Floor ({x})",
    Rounding.UP: f"{_SIGN} {{r}}_whole = Ceil ({{r}}_size) {{r}} = Mul ({{r}}_sign, {{r}}_whole)",
    Rounding.DOWN: f"{_SIGN} {{r}}_whole = Floor ({{r}}_size) {{r}} = Mul ({{r}}_sign, {{r}}_whole)",
    Rounding.HALF_UP: f"{_SPLIT} {{r}}_away = GreaterOrEqual ({{r}}_part, {{r}}_half) {_STEP}",
    Rounding.HALF_DOWN: f"{_SPLIT} {{r}}_away = Greater ({{r}}_part, {{r}}_half) {_STEP}",
}


def rounding_text(source: str, result: str, roundings: Collection[Rounding]) -> str:
    """Returns ONNX text that rounds the tensor `source` to `result` by the name in the string tensor `mode`.

    A name that is not among `roundings` makes the scalar `known_mode` NaN, else it is 1: multiplied into the scale it
    costs nothing and no file computes with a rounding it does not ask for. The choice is made by `Where`: onnxruntime
    1.25 folds a constant `If` on constant weights to uninitialised memory. Needs opset 19, the first one to compare
    strings.

    Raises:
        ValueError: `roundings` is empty.
    """
    if not roundings:
        raise ValueError("Expected at least one rounding mode, found none. Name the ones that the file uses.")
    lines = [
        "round_zero = Constant <value_float: float = 0.0> ()",
        "round_one = Constant <value_float: float = 1.0> ()",
        "round_missing = Div (round_zero, round_zero)",
    ]
    chosen, known = "", "round_missing"
    for rounding in roundings:
        name = f"round_{rounding.value.lower()}"
        lines.append(_TEXT[rounding].format(x=source, r=name))
        lines.append(f'{name}_name = Constant <value_string: string = "{rounding}"> ()')
        lines.append(f"{name}_asked = Equal (mode, {name}_name)")
        lines.append(f"{name}_known = Where ({name}_asked, round_one, {known})")
        known = f"{name}_known"
        if chosen:
            lines.append(f"{name}_choice = Where ({name}_asked, {name}, {chosen})")
        chosen = f"{name}_choice" if chosen else name
    lines += [f"{result} = Identity ({chosen})", f"known_mode = Identity ({known})"]
    return "\n          ".join(lines)
