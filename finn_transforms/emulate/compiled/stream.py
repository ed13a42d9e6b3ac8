"""What a tensor of the compiled graph holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from finn_transforms.emulate.compiled.builder import Builder
from finn_transforms.emulate.formats import FLOAT32_EXACT

Ints = NDArray[np.int64]

UINT8_HIGHEST = 255


class CannotCompileError(NotImplementedError):
    """A graph has a layer for which no kernel is proven equal; says which and why."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """What an input generator would cut a tensor into, not yet done.

    Attributes:
        kernel: (height, width).
        strides: likewise.
        dilations: likewise.
        depthwise: whether channels stay apart.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    depthwise: bool


def ends(integers: IntRange) -> tuple[Ints, Ints]:
    """Return a range as the one of all channels, two arrays (1,)."""
    return np.array([integers.low], np.int64), np.array([integers.high], np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """A tensor of the compiled graph; channels are last, as in hardware.

    Attributes:
        name: of the tensor.
        kind: ``"uint8"`` holds codes u in [0, highest code], standing for ``factor * u + offset``; ``"float32"`` holds
            the integers themselves, below 2**24; ``"float64"`` real numbers.
        rank: number of dimensions.
        low: lowest integer it stands for, (C,), or (1,) for all channels; None for real numbers.
        high: highest one, likewise.
        factor: see ``kind``.
        offset: see ``kind``.
        pads: zeros that the next window adds, (top, left, bottom, right).
        window: the window that the next layer cuts it into.
        product: of a float64 stream that is integers below 2**24 times a float32 scalar: their name and the scalar.
    """

    name: str
    kind: Literal["uint8", "float32", "float64"]
    rank: int
    low: Ints | None = None
    high: Ints | None = None
    factor: int = 1
    offset: int = 0
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    window: Window | None = None
    product: tuple[str, float] | None = None

    @property
    def integers(self) -> IntRange:
        """The integers it stands for, all channels together.

        Raises:
            CannotCompileError: it holds real numbers.
        """
        if self.low is None or self.high is None:
            raise CannotCompileError(f"{self.name}: expected integers, found real numbers; quantize them first")
        return IntRange(int(self.low.min()), int(self.high.max()))

    def extremes(self) -> tuple[Ints, Ints]:
        """Return the lowest and highest integer per channel, (C,) or (1,).

        Raises:
            CannotCompileError: it holds real numbers.
        """
        if self.low is None or self.high is None:
            raise CannotCompileError(f"{self.name}: expected integers, found real numbers; quantize them first")
        return self.low, self.high

    def uniform(self) -> Self:
        """Return it with one range for all channels, after which they may be moved about."""
        if self.low is None or self.high is None:
            return self
        return replace(self, low=self.low.min(keepdims=True), high=self.high.max(keepdims=True))

    @property
    def highest_code(self) -> int:
        """The highest uint8 code that occurs."""
        return (self.integers.high - self.offset) // self.factor

    def renamed(self, name: str) -> Self:
        """Return the stream after an operator that keeps its values' meaning."""
        return replace(self, name=name)


def settled(builder: Builder, stream: Stream) -> Stream:
    """Return a stream for a layer that takes no windows: pending zeros are added.

    Raises:
        CannotCompileError: a window is pending.
    """
    if stream.window is not None:
        raise CannotCompileError(f"{stream.name}: expected a matrix-vector unit or a pool behind a window")
    return padded(builder, stream)


def padded(builder: Builder, stream: Stream) -> Stream:
    """Return a stream with pending zeros added; a pending window stays."""
    if not any(stream.pads):
        return stream
    source, zero = with_zero(builder, stream)
    top, left, bottom, right = stream.pads
    sizes = builder.constant(np.array([0, top, left, 0, 0, bottom, right, 0], np.int64))
    filler = builder.constant(np.array(zero, np.uint8 if source.kind == "uint8" else np.float32))
    low, high = source.extremes()
    return replace(
        source,
        name=builder.node("Pad", [source.name, sizes, filler]),
        pads=(0, 0, 0, 0),
        low=np.minimum(low, 0),
        high=np.maximum(high, 0),
    )


def with_zero(builder: Builder, stream: Stream) -> tuple[Stream, int]:
    """Return a stream, in float32 if no uint8 code stands for 0, and what stands for it."""
    code = zero_code(stream)
    return (float32(builder, stream), 0) if code is None else (stream, code)


def zero_code(stream: Stream) -> int | None:
    """Return what stands for 0 in a stream of integers, or None where nothing does."""
    if stream.kind != "uint8":
        return 0
    code = -stream.offset // stream.factor
    return code if code * stream.factor == -stream.offset and 0 <= code <= UINT8_HIGHEST else None


def float32(builder: Builder, stream: Stream) -> Stream:
    """Return a stream's integers in float32.

    Raises:
        CannotCompileError: float32 does not hold them.
    """
    check_float32(stream.integers, stream.name)
    if stream.kind == "float32":
        return stream
    value = builder.cast(stream.name, np.float32)
    if stream.factor != 1:
        value = builder.node("Mul", [value, builder.constant(np.float32(stream.factor))])
    if stream.offset:
        value = builder.node("Add", [value, builder.constant(np.float32(stream.offset))])
    return replace(stream, name=value, kind="float32", factor=1, offset=0)


def float64(builder: Builder, stream: Stream) -> Stream:
    """Return a stream in float64."""
    if stream.kind == "float64":
        return stream
    exact = stream if stream.low is None else float32(builder, stream)
    return replace(exact, name=builder.cast(exact.name, np.float64), kind="float64")


def check_float32(integers: IntRange, name: str) -> None:
    """Raise CannotCompileError unless float32 holds all integers of a range."""
    if max(-integers.low, integers.high) > FLOAT32_EXACT:
        raise CannotCompileError(
            f"{name}: expected integers up to 2**24, which float32 holds, found [{integers.low}, {integers.high}]; "
            "use emulate"
        )
