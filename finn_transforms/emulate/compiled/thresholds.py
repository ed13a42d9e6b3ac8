"""Thresholds on integers in float32: a rounded line where it is proven equal, else a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from finn_transforms.emulate.compiled.builder import Builder, run
from finn_transforms.emulate.compiled.host import clip
from finn_transforms.emulate.compiled.steps import Steps, fit_lines
from finn_transforms.emulate.compiled.stream import UINT8_HIGHEST, CannotCompileError, Stream

_ALL_UP_TO = 2**15
_LARGEST_TABLE = 2**22
_ROWS_AT_ONCE = 2**12


def thresholded(builder: Builder, source: Stream, steps: Steps, name: str) -> Stream:
    """Add thresholds on a float32 stream, channels last; the result counts from 0.

    Raises:
        CannotCompileError: there are more than 255 of them, or a table would be too large.
    """
    count = steps.thresholds.shape[1]
    if count > UINT8_HIGHEST:
        raise CannotCompileError(f"{name}: expected up to {UINT8_HIGHEST} thresholds, found {count}; use emulate")
    code = _line(builder, source, steps) or _table(builder, source, steps, name)
    low, high = steps.reached()
    return Stream(name=code, kind="uint8", rank=source.rank, low=low, high=high)


def _line(builder: Builder, source: Stream, steps: Steps) -> str | None:
    lines = fit_lines(steps)
    if lines is None:
        return None
    slope, offset = lines.slope.astype(np.float32), lines.offset.astype(np.float32)
    count = steps.thresholds.shape[1]
    probe = Builder()
    session = probe.session([("x", np.float32, ["n", 1])], [_nodes(probe, "x", slope, offset, count)], 1)
    values = steps.probes(everything_up_to=_ALL_UP_TO)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        part = values[start : start + _ROWS_AT_ONCE]
        result = run(session, {"x": part.astype(np.float32)[:, None]})[0]
        if ((result != steps.counts(part)) & steps.reachable(part)).any():
            return None
    return _nodes(builder, source.name, slope, offset, count)


def _nodes(builder: Builder, value: str, slope: Any, offset: Any, count: int) -> str:
    scaled = builder.node("Mul", [value, builder.constant(slope)])
    shifted = builder.node("Add", [scaled, builder.constant(offset)])
    one, zero = builder.constant(np.float32(1)), builder.constant(np.uint8(0))
    return clip(builder, builder.node("QuantizeLinear", [shifted, one, zero]), UINT8_HIGHEST, count)


def _table(builder: Builder, source: Stream, steps: Steps, name: str) -> str:
    """Look every integer up in one table of the channels' counts."""
    low, high = source.integers.low, source.integers.high
    size, channels = high - low + 1, len(steps.thresholds)
    if size * channels > _LARGEST_TABLE:
        raise CannotCompileError(
            f"{name}: its thresholds follow no rounded line, and a table of {channels} x {size} counts is too large; "
            "use emulate"
        )
    table = steps.counts(np.arange(low, high + 1)).T.astype(np.uint8)
    starts = (np.arange(channels) * size - low).astype(np.int32)
    index = builder.node("Add", [builder.cast(source.name, np.int32), builder.constant(starts)])
    return builder.node("Gather", [builder.constant(table.ravel()), index], axis=0)
