"""Random units of every class of the hardware library, with any legal parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_transforms.hw_graph import PaddingParams
from finn_transforms.rtl import (
    Concat,
    Duplicate,
    Elementwise,
    Fifo,
    FinnPadding,
    FinnSwg,
    GlobalSum,
    MvauLut,
    PixelPadding,
    Pool,
    RtlUnit,
    Split,
    Thresholding,
    Upsample,
    VvauLut,
    WidthConverter,
)
from tests.support.finn_units import mvu, swg
from tests.support.finn_units import thresholding as finn_thresholding
from tests.support.mvau_units import random_weights


class Draw:
    """Draws parameters from a generator of random numbers."""

    def __init__(self, *seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def whole(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return int(self.rng.integers(low, high, endpoint=True))

    def one_of(self, *choices: Any) -> Any:
        """Return one of some things."""
        return choices[self.whole(0, len(choices) - 1)]

    def divisor(self, number: int) -> int:
        """Return a divisor."""
        return int(self.one_of(*[size for size in range(1, number + 1) if number % size == 0]))

    def number_type(self, most: int = 16) -> BaseDataType:
        """Return a data type of numbers, narrow ones more often."""
        bits = self.one_of(self.whole(2, min(8, most)), self.whole(2, most))
        return DataType[self.one_of(f"INT{bits}", f"UINT{bits}", f"INT{bits}", f"UINT{bits}", "BINARY", "TERNARY")]

    def any_type(self, most: int = 16) -> BaseDataType:
        """Return a data type, BIPOLAR now and then."""
        return DataType["BIPOLAR"] if self.whole(0, 7) == 0 else self.number_type(most)

    def pair(self, low: int, high: int) -> tuple[int, int]:
        """Return two integers."""
        return self.whole(low, high), self.whole(low, high)


def holding(low: int, high: int, spare: int = 0, *, signed: bool = False) -> BaseDataType:
    """Return an integer type for numbers from `low` to `high` with so many bits to spare."""
    if low < 0 or signed:
        return DataType[f"INT{max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1 + spare}"]
    return DataType[f"UINT{max(high.bit_length(), 1) + spare}"]


def product_ends(left: BaseDataType, right: BaseDataType) -> tuple[int, int]:
    """Return the smallest and the largest product."""
    ends = [int(a) * int(b) for a in (left.min(), left.max()) for b in (right.min(), right.max())]
    return min(ends), max(ends)


def accumulator(draw: Draw, inputs: BaseDataType, weights: Any, axis: tuple[int, ...], *, counts: bool) -> BaseDataType:
    """Return a type for the sums of a matrix or for counts of matches, often without a bit to spare."""
    spare = draw.one_of(0, 0, 0, draw.whole(1, 9))
    if counts:
        return holding(0, int(np.prod([np.shape(weights)[each] for each in axis])), spare, signed=draw.one_of(0, 1))
    ends = np.stack([np.asarray(weights) * int(inputs.min()), np.asarray(weights) * int(inputs.max())])
    low, high = int(ends.min(axis=0).sum(axis=axis).min()), int(ends.max(axis=0).sum(axis=axis).max())
    return holding(min(low, 0), max(high, 1), spare, signed=draw.one_of(0, 1))


def ascending(draw: Draw, rows: int, steps: int, data_type: BaseDataType) -> Any:
    """Return thresholds, some of them twice, out of reach or at the ends of the type."""
    low, high = int(data_type.min()), int(data_type.max())
    margin = draw.one_of(0, 1, 3, high - low)
    found = draw.rng.integers(low - margin, high + margin, (rows, steps), endpoint=True)
    if draw.one_of(0, 1):
        found[0, 0], found[-1, -1] = low, high
    if rows > 1 and draw.whole(0, 3) == 0:
        found[:] = found[:1]
    return np.sort(found, axis=1)


def result_type(draw: Draw, steps: int) -> tuple[BaseDataType, int]:
    """Return an output type of thresholds and a bias."""
    if steps == 1 and draw.one_of(0, 1):
        return DataType["BIPOLAR"], 0
    bias = draw.one_of(0, 0, -draw.whole(0, steps), -(steps + 1) // 2, draw.whole(-9, 9))
    return holding(bias, max(bias + steps, 1), draw.one_of(0, 0, draw.whole(0, 5)), signed=draw.one_of(0, 0, 1)), bias


def mvau_lut(draw: Draw, name: str) -> RtlUnit:
    most = draw.one_of(4, 8, 16)
    inputs, weights = draw.any_type(most), draw.any_type(most)
    mw, mh = draw.whole(1, 24), draw.whole(1, 8)
    source = draw.one_of("memory", "memory", "stream", "constant")
    pe, simd = (mh, mw) if source == "constant" else (draw.divisor(mh), draw.divisor(mw))
    xnor = inputs.name == weights.name == "BINARY" and bool(draw.one_of(0, 1))
    matrix = random_weights(weights, (mw, mh), draw.whole(0, 999))
    counts = xnor or inputs.name == weights.name == "BIPOLAR"
    # Any weights may come where they are streamed.
    bounds = np.stack([np.full((mw, mh), int(end)) for end in (weights.min(), weights.max())], axis=2).reshape(mw, -1)
    wanted = bounds if source == "stream" else matrix
    if counts:
        sums = accumulator(draw, inputs, matrix, (0,), counts=True)
    elif source == "stream":
        low, high = product_ends(inputs, weights)
        sums = holding(min(low * mw, 0), max(high * mw, 1), draw.one_of(0, 0, draw.whole(0, 5)))
    else:
        sums = accumulator(draw, inputs, wanted, (0,), counts=False)
    fields: dict[str, Any] = {}
    if draw.one_of(0, 0, 1):
        steps = draw.one_of(1, 2, 3, 7, 15, draw.whole(1, 20))
        output, bias = result_type(draw, steps)
        fields = {
            "thresholds": ascending(draw, draw.one_of(1, mh), steps, sums),
            "output_type": output,
            "bias": bias,
            "search": draw.one_of("binary", "parallel"),
        }
    elif draw.one_of(0, 0, 1):
        sign, bits = ("INT", int(sums.bitwidth())) if int(sums.min()) < 0 else ("UINT", int(sums.bitwidth()))
        fields = {"output_type": DataType[f"{sign}{bits + draw.whole(0, 7)}"]}
    return MvauLut(
        name=name,
        mw=mw,
        mh=mh,
        pe=pe,
        simd=simd,
        input_type=inputs,
        weight_type=weights,
        accumulator_type=sums,
        weights=None if source == "stream" else matrix,
        weight_source=source,
        ram_style=draw.one_of("auto", "distributed", "block"),
        num_vectors=(draw.whole(1, 4), draw.whole(1, 3)),
        xnor=xnor,
        **fields,
    )


def vvau_lut(draw: Draw, name: str) -> RtlUnit:
    inputs, kind = draw.any_type(8), draw.any_type(8)
    channels, kernel = draw.whole(1, 8), draw.pair(1, 4)
    weights = random_weights(kind, (channels, 1, *kernel), draw.whole(0, 999))
    counts = inputs.name == kind.name == "BIPOLAR"
    return VvauLut(
        name=name,
        channels=channels,
        pe=draw.divisor(channels),
        simd=draw.divisor(kernel[0] * kernel[1]),
        kernel=kernel,
        windows=draw.whole(1, 6),
        input_type=inputs,
        weight_type=kind,
        accumulator_type=accumulator(draw, inputs, weights, (1, 2, 3), counts=counts),
        weights=weights,
        ram_style=draw.one_of("auto", "block"),
    )


def thresholding(draw: Draw, name: str) -> RtlUnit:
    inputs, search = draw.any_type(24), draw.one_of("binary", "binary", "parallel")
    channels = draw.whole(1, 12)
    steps = draw.one_of(1, 2, 3, 7, 15, draw.whole(1, 40), 255 if search == "binary" else 31)
    output, bias = result_type(draw, steps)
    pe = draw.divisor(channels)
    memories = ["auto", "distributed"] + ["block"] * (search == "binary") + ["constant"] * (pe == channels)
    return Thresholding(
        name=name,
        channels=channels,
        pe=pe,
        thresholds=ascending(draw, draw.one_of(1, channels, channels), steps, inputs),
        input_type=inputs,
        output_type=output,
        bias=bias,
        num_vectors=(draw.whole(1, 5),),
        search=search,
        memory=draw.one_of(*memories),
    )


def elementwise(draw: Draw, name: str) -> RtlUnit:
    left, right = draw.number_type(), draw.number_type()
    operation = draw.one_of("add", "sub", "mul")
    ends = {
        "add": (int(left.min() + right.min()), int(left.max() + right.max())),
        "sub": (int(left.min() - right.max()), int(left.max() - right.min())),
        "mul": product_ends(left, right),
    }[operation]
    elements, rows = draw.whole(1, 5), draw.whole(1, 6)
    side = draw.one_of("left", "right")
    constants = None
    if draw.one_of(0, 0, 1):
        data_type = left if side == "left" else right
        constants = draw.rng.integers(int(data_type.min()), int(data_type.max()), (rows, elements), endpoint=True)
    return Elementwise(
        name=name,
        operation=operation,
        left_type=left,
        right_type=right,
        output_type=holding(*ends, draw.one_of(0, draw.whole(0, 4))),
        elements=elements,
        beats=rows * draw.whole(1, 4),
        constants=constants,
        constant_side=side,
    )


def concat(draw: Draw, name: str) -> RtlUnit:
    simd = draw.whole(1, 4)
    channels = tuple(simd * draw.whole(1, 5) for _ in range(draw.whole(2, 5)))
    types = tuple(draw.number_type() for _ in channels)
    low, high = min(int(each.min()) for each in types), max(int(each.max()) for each in types)
    common = holding(low, high, draw.one_of(0, 2))
    if draw.whole(0, 6) == 0:
        types, common = (DataType["BIPOLAR"],) * len(channels), DataType["BIPOLAR"]
    return Concat(
        name=name, channels=channels, simd=simd, vectors=draw.whole(1, 5), input_types=types, output_type=common
    )


def split(draw: Draw, name: str) -> RtlUnit:
    simd = draw.whole(1, 4)
    channels = tuple(simd * draw.whole(1, 5) for _ in range(draw.whole(2, 5)))
    return Split(name=name, channels=channels, simd=simd, vectors=draw.whole(1, 5), data_type=draw.any_type())


def duplicate(draw: Draw, name: str) -> RtlUnit:
    return Duplicate(
        name=name,
        data_type=draw.any_type(),
        elements=draw.whole(1, 9),
        beats=draw.whole(1, 20),
        copies=draw.whole(2, 5),
    )


def width_converter(draw: Draw, name: str) -> RtlUnit:
    total = draw.one_of(12, 24, 36, 48, 60, 64, 96)
    elements_in, elements_out = draw.divisor(total), draw.divisor(total)
    if elements_in == elements_out:
        elements_in, elements_out = 1, total
    return WidthConverter(
        name=name, data_type=draw.any_type(), elements_in=elements_in, elements_out=elements_out,
        elements=total * draw.whole(1, 3),
    )  # fmt: skip


def fifo(draw: Draw, name: str) -> RtlUnit:
    return Fifo(
        name=name,
        data_type=draw.any_type(),
        elements=draw.whole(1, 12),
        beats=draw.whole(1, 90),
        depth=draw.one_of(2, 3, 4, draw.whole(2, 70), draw.whole(60, 200)),
        ram_style=draw.one_of("auto", "shift", "distributed", "block"),
    )


def global_sum(draw: Draw, name: str) -> RtlUnit:
    channels, pixels, inputs = draw.whole(1, 12), draw.whole(1, 12), draw.number_type()
    return GlobalSum(
        name=name,
        channels=channels,
        pe=draw.divisor(channels),
        pixels=pixels,
        input_type=inputs,
        output_type=holding(min(int(inputs.min()), 0) * pixels, int(inputs.max()) * pixels, draw.one_of(0, 0, 3)),
    )


def pool(draw: Draw, name: str) -> RtlUnit:
    function = draw.one_of("MaxPool", "AccPool", "QuantAvgPool")
    channels, kernel = draw.whole(1, 8), draw.pair(1, 4)
    inputs = draw.number_type() if function != "MaxPool" else draw.any_type()
    size = kernel[0] * kernel[1]
    output = inputs
    if function == "AccPool":
        output = holding(min(int(inputs.min()), 0) * size, int(inputs.max()) * size, draw.one_of(0, 0, 4))
    elif function == "QuantAvgPool":
        inputs = DataType[draw.one_of("INT", "UINT") + str(draw.whole(2, 12))]
        output = DataType[f"{inputs.name.rstrip('0123456789')}{max(2, int(inputs.bitwidth()) - draw.whole(0, 2))}"]
    return Pool(
        name=name, channels=channels, pe=draw.divisor(channels), kernel=kernel, windows=draw.whole(1, 6),
        function=function, input_type=inputs, output_type=output,
    )  # fmt: skip


def upsample(draw: Draw, name: str) -> RtlUnit:
    factors = draw.pair(1, 3)
    channels = draw.whole(1, 6)
    return Upsample(
        name=name,
        image=draw.pair(1, 5),
        factors=factors if max(factors) > 1 else (2, 1),
        channels=channels,
        simd=draw.divisor(channels),
        data_type=draw.any_type(),
        ram_style=draw.one_of("auto", "distributed", "block"),
    )


def pixel_padding(draw: Draw, name: str) -> RtlUnit:
    channels = draw.whole(1, 6)
    return PixelPadding(
        name=name, image=draw.pair(1, 5), stride=draw.pair(1, 3), channels=channels, simd=draw.divisor(channels),
        data_type=draw.number_type(),
    )  # fmt: skip


def finn_swg(draw: Draw, name: str) -> FinnSwg:
    kernel, stride, dilation = draw.pair(1, 4), draw.pair(1, 3), draw.pair(1, 2)
    image = tuple((size - 1) * apart + 1 + draw.whole(0, 5) for size, apart in zip(kernel, dilation, strict=True))
    channels, depthwise, window = draw.whole(1, 6), bool(draw.one_of(0, 1)), bool(draw.one_of(0, 0, 1))
    return swg(
        name, kernel=kernel, image=image, stride=stride, dilation=dilation, channels=channels,
        simd=channels if window and not depthwise else draw.divisor(channels), depthwise=depthwise,
        parallel_window=window, data_type=draw.any_type(),
    )  # fmt: skip


def finn_padding(draw: Draw, name: str) -> FinnPadding:
    channels = draw.whole(1, 6)
    sides = tuple(draw.whole(0, 3) for _ in range(4))
    layer = PaddingParams(
        name=name, image=draw.pair(1, 6), padding=sides if any(sides) else (1, 0, 0, 0), channels=channels,
        simd=draw.divisor(channels), data_type=draw.number_type(),
    )  # fmt: skip
    return FinnPadding(name=name, layer=layer)


def finn_mvu(draw: Draw, name: str) -> RtlUnit:
    mw, mh = draw.one_of(2, 4, 6, 9, 12, 20), draw.whole(1, 8)
    simd = draw.one_of(*[size for size in range(1, mw) if mw % size == 0])
    inputs = DataType[draw.one_of("INT", "UINT") + str(draw.whole(2, 8))]
    weights = DataType[f"INT{draw.whole(2, 8)}"]
    low, high = product_ends(inputs, weights)
    return mvu(
        name, streamed=bool(draw.one_of(0, 1)), mw=mw, mh=mh, pe=draw.divisor(mh), simd=simd, input_type=inputs.name,
        weight_type=weights.name, accumulator_type=holding(low * mw, high * mw, draw.one_of(0, 4)).name,
        num_vectors=(1, draw.whole(1, 4)),
    )  # fmt: skip


def finn_threshold(draw: Draw, name: str) -> RtlUnit:
    inputs, channels = DataType[draw.one_of("INT", "UINT") + str(draw.whole(2, 16))], draw.whole(1, 8)
    steps = draw.one_of(1, 3, 7, 15, draw.whole(1, 20))
    output, bias = result_type(draw, steps)
    return finn_thresholding(
        name, channels=channels, pe=draw.divisor(channels), steps=steps, input_type=inputs.name,
        threshold_type=inputs.name, output_type=output.name, bias=bias, shared=bool(draw.one_of(0, 0, 1)),
        num_vectors=(1, draw.whole(1, 4)),
    )  # fmt: skip


KINDS: dict[str, Callable[[Draw, str], RtlUnit]] = {
    maker.__name__: maker
    for maker in (
        mvau_lut, vvau_lut, thresholding, elementwise, concat, split, duplicate, width_converter, fifo, global_sum,
        pool, upsample, pixel_padding, finn_swg, finn_padding, finn_mvu, finn_threshold,
    )
}  # fmt: skip
WEIGHTS = {"mvau_lut": 6, "vvau_lut": 3, "thresholding": 5, "elementwise": 2, "finn_swg": 2}


def random_unit(seed: int, index: int) -> tuple[str, RtlUnit]:
    """Return the kind and a unit, the same for the same numbers.

    Raises:
        ValueError: the parameters that were drawn are refused.
    """
    draw = Draw(seed, index)
    kind = draw.one_of(*[each for each in KINDS for _ in range(WEIGHTS.get(each, 1))])
    return kind, KINDS[kind](draw, f"u{seed}_{index}_{kind}")
