"""Random networks of real units with forks inside forks, unequal branches and joins, without room in their links."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_transforms.hw_graph import PaddingParams
from finn_transforms.network import OUTSIDE, Link, Network, Port
from finn_transforms.rtl import (
    Concat,
    Duplicate,
    Elementwise,
    FinnPadding,
    MvauLut,
    Pool,
    RtlUnit,
    Stream,
    Thresholding,
    Upsample,
    VvauLut,
    WidthConverter,
)
from tests.support.finn_units import swg
from tests.support.mvau_units import random_weights
from tests.support.random_units import Draw, accumulator, ascending, holding

_MOST_CHANNELS = 12


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A stream that nobody reads yet: an image of so many pixels, `elements` of its channels per beat."""

    port: Port
    side: int
    channels: int
    elements: int
    data_type: BaseDataType


@dataclass
class Builder:
    """Units and links so far."""

    draw: Draw
    name: str
    units: list[RtlUnit] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    def next_name(self, kind: str) -> str:
        return f"{self.name}_{len(self.units)}_{kind}"

    def add(self, unit: RtlUnit, *sources: Tensor, **changes: Any) -> Tensor:
        """Put a unit behind some streams; return its first output, which differs from the first source by `changes`."""
        place = len(self.units)
        self.units.append(unit)
        for number, tensor in enumerate(sources):
            self.links.append(Link(source=tensor.port, target=Port(unit=place, stream=number), label=f"{place}"))
        stream = unit.outputs[0]
        return replace(
            sources[0], port=Port(unit=place), elements=stream.elements, data_type=stream.data_type, **changes
        )

    def folded(self, tensor: Tensor, elements: int) -> Tensor:
        """Return a stream with so many elements per beat."""
        if tensor.elements == elements:
            return tensor
        total = tensor.side**2 * tensor.channels
        unit = WidthConverter(
            name=self.next_name("width"), data_type=tensor.data_type, elements_in=tensor.elements,
            elements_out=elements, elements=total,
        )  # fmt: skip
        return self.add(unit, tensor)

    def quantized(self, tensor: Tensor) -> Tensor:
        """Return thresholds counted, 1 to 4 bits."""
        bits = self.draw.whole(1, 4)
        steps = 2**bits - 1
        unit = Thresholding(
            name=self.next_name("thresholds"), channels=tensor.channels, pe=tensor.elements,
            thresholds=ascending(self.draw, tensor.channels, steps, tensor.data_type), input_type=tensor.data_type,
            output_type=holding(0, steps), num_vectors=(tensor.side**2,),
        )  # fmt: skip
        return self.add(unit, tensor)

    def windows(self, tensor: Tensor, size: int, *, depthwise: bool, stride: int = 1) -> tuple[Tensor, int]:
        """Return the windows around every pixel, and the side of what they make."""
        simd = self.draw.divisor(tensor.channels)
        tensor = self.folded(tensor, simd)
        side = tensor.side
        if size > 1:
            name, around = self.next_name("pad"), size - 1
            layer = PaddingParams(
                name=name, image=(side, side), padding=(around // 2, around // 2, around - around // 2,
                around - around // 2), channels=tensor.channels, simd=simd, data_type=tensor.data_type,
            )  # fmt: skip
            tensor, side = self.add(FinnPadding(name=name, layer=layer), tensor), side + around
        unit = swg(
            self.next_name("swg"), kernel=size, image=side, stride=stride, channels=tensor.channels, simd=simd,
            data_type=tensor.data_type, depthwise=depthwise,
        )  # fmt: skip
        return self.add(unit, tensor), (side - size) // stride + 1

    def convolved(self, tensor: Tensor) -> Tensor:
        """Return a convolution to any channels, quantized."""
        size = self.draw.one_of(1, 1, 2, 3, min(5, tensor.side + 2))
        windows, side = self.windows(tensor, size, depthwise=False)
        mw, mh, draw = size * size * tensor.channels, self.draw.whole(1, 6), self.draw
        simd = draw.divisor(mw)
        # A converter counts the elements of the windows as those of an image.
        total = side * side * mw
        if windows.elements != simd:
            windows = self.add(
                WidthConverter(
                    name=self.next_name("width"), data_type=tensor.data_type, elements_in=windows.elements,
                    elements_out=simd, elements=total,
                ),
                windows,
            )  # fmt: skip
        kind = DataType[draw.one_of("INT2", "INT4", "BIPOLAR", "TERNARY")]
        weights = random_weights(kind, (mw, mh), draw.whole(0, 999))
        unit = MvauLut(
            name=self.next_name("mvau"), mw=mw, mh=mh, pe=draw.divisor(mh), simd=simd, input_type=tensor.data_type,
            weight_type=kind, weights=weights, num_vectors=(side, side),
            accumulator_type=accumulator(draw, tensor.data_type, weights, (0,), counts=False),
        )  # fmt: skip
        return self.quantized(self.add(unit, windows, channels=mh, side=side))

    def depthwise(self, tensor: Tensor) -> Tensor:
        """Return a depthwise convolution, quantized."""
        size = self.draw.whole(2, 3)
        windows, side = self.windows(tensor, size, depthwise=True)
        kind, shape = DataType["INT3"], (tensor.channels, 1, size, size)
        weights = random_weights(kind, shape, self.draw.whole(0, 999))
        unit = VvauLut(
            name=self.next_name("vvau"), channels=tensor.channels, pe=windows.elements, simd=1, kernel=(size, size),
            windows=side * side, input_type=tensor.data_type, weight_type=kind, weights=weights,
            accumulator_type=accumulator(self.draw, tensor.data_type, weights, (1, 2, 3), counts=False),
        )  # fmt: skip
        return self.quantized(self.add(unit, windows, side=side))

    def pooled(self, tensor: Tensor) -> Tensor:
        """Return the largest of windows of 2 x 2, made as large as before again where the side is even."""
        if tensor.side % 2:
            return self.quantized(tensor)
        unit = swg(
            self.next_name("swg"), kernel=2, image=tensor.side, stride=2, channels=tensor.channels,
            simd=tensor.elements, data_type=tensor.data_type, depthwise=True,
        )  # fmt: skip
        windows = self.add(unit, tensor)
        pool = Pool(
            name=self.next_name("pool"), channels=tensor.channels, pe=tensor.elements, kernel=(2, 2),
            windows=(tensor.side // 2) ** 2, function="MaxPool", input_type=tensor.data_type,
            output_type=tensor.data_type,
        )  # fmt: skip
        small = self.add(pool, windows, side=tensor.side // 2)
        larger = Upsample(
            name=self.next_name("upsample"), image=(small.side, small.side), factors=(2, 2), channels=small.channels,
            simd=small.elements, data_type=small.data_type,
        )  # fmt: skip
        return self.add(larger, small, side=tensor.side)

    def forked(self, tensor: Tensor, depth: int) -> Tensor:
        """Return two or three branches joined again."""
        copies = self.draw.whole(2, 3)
        unit = Duplicate(
            name=self.next_name("copies"), data_type=tensor.data_type, elements=tensor.elements,
            beats=tensor.side**2 * tensor.channels // tensor.elements, copies=copies,
        )  # fmt: skip
        first = self.add(unit, tensor)
        branches = [replace(first, port=Port(unit=first.port.unit, stream=number)) for number in range(copies)]
        ends = [self.layers(branch, self.draw.whole(0, 2), depth - 1) for branch in branches]
        while len(ends) > 1:
            left, right = ends.pop(self.draw.whole(0, len(ends) - 1)), ends.pop(0)
            ends.append(self.joined(left, right))
        return ends[0]

    def joined(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the sum or the channels of both."""
        if left.channels == right.channels and self.draw.one_of(0, 1):
            elements = self.draw.divisor(left.channels)
            left, right = self.folded(left, elements), self.folded(right, elements)
            low = int(left.data_type.min()) + int(right.data_type.min())
            high = int(left.data_type.max()) + int(right.data_type.max())
            unit: RtlUnit = Elementwise(
                name=self.next_name("sum"), operation="add", left_type=left.data_type, right_type=right.data_type,
                output_type=holding(low, high), elements=elements, beats=left.side**2 * left.channels // elements,
            )  # fmt: skip
            return self.add(unit, left, right)
        elements = self.draw.divisor(int(np.gcd(left.channels, right.channels)))
        left, right = self.folded(left, elements), self.folded(right, elements)
        types = (left.data_type, right.data_type)
        low, high = min(int(each.min()) for each in types), max(int(each.max()) for each in types)
        unit = Concat(
            name=self.next_name("concat"), channels=(left.channels, right.channels), simd=elements,
            vectors=left.side**2, input_types=types, output_type=holding(low, high),
        )  # fmt: skip
        return self.add(unit, left, right, channels=left.channels + right.channels)

    def layers(self, tensor: Tensor, count: int, depth: int) -> Tensor:
        """Return some layers, forks among them as deep as `depth`."""
        for _ in range(count):
            kinds = ["convolved", "convolved", "depthwise", "pooled", "quantized", "folded"]
            kind = self.draw.one_of(*kinds, *["forked"] * (4 * (depth > 0 and tensor.channels <= _MOST_CHANNELS)))
            if kind == "forked":
                tensor = self.forked(tensor, depth)
            elif kind == "folded":
                tensor = self.folded(tensor, self.draw.divisor(tensor.channels))
            else:
                tensor = getattr(self, kind)(tensor)
        return tensor


def random_unit_network(seed: int, index: int = 0, name: str = "network") -> Network:
    """Return a network with at least one fork, the same for the same numbers."""
    draw = Draw(seed, index, 2)
    builder = Builder(draw=draw, name=name)
    channels = draw.whole(1, 6)
    tensor = Tensor(
        port=Port(unit=OUTSIDE), side=draw.whole(2, 6), channels=channels, elements=draw.divisor(channels),
        data_type=DataType["UINT3"],
    )  # fmt: skip
    tensor = builder.layers(tensor, draw.whole(0, 2), 0)
    tensor = builder.layers(builder.forked(tensor, 2), draw.whole(0, 1), 1)
    builder.links.append(Link(source=tensor.port, target=Port(unit=OUTSIDE), label="out"))
    return Network(name=name, units=tuple(builder.units), links=tuple(builder.links))


def stream_inputs(network: Network, frames: int) -> list[Any]:
    """Return random integers of the network's inputs."""
    rng = np.random.default_rng(len(network.units))
    streams: tuple[Stream, ...] = network.inputs
    return [
        rng.integers(each.data_type.min(), each.data_type.max(), (frames, each.beats, each.elements), endpoint=True)
        for each in streams
    ]
