"""The sweep: what is drawn for each kind of unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Literal

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from benchmarks.cost.sampling import Configuration, Draw, Sampler, configurations
from brevitas_ext.arith.sparq import WINDOW_SETS, SparqFormat
from finn_transforms.hw_graph import MvauParams, PaddingParams, SwgParams
from finn_transforms.rtl.concat import Concat
from finn_transforms.rtl.duplicate import Duplicate
from finn_transforms.rtl.elementwise import Elementwise
from finn_transforms.rtl.fifo import Fifo
from finn_transforms.rtl.finn_library import FinnMvu, FinnPadding, FinnSwg
from finn_transforms.rtl.global_sum import GlobalSum
from finn_transforms.rtl.mvau_lut import MvauLut
from finn_transforms.rtl.pixel_padding import PixelPadding
from finn_transforms.rtl.pool import Pool
from finn_transforms.rtl.shift_mvau import ShiftMvau
from finn_transforms.rtl.sparq_encoder import SparqEncoder
from finn_transforms.rtl.sparq_mvau import SparqMvau
from finn_transforms.rtl.split import Split
from finn_transforms.rtl.thresholding import Thresholding
from finn_transforms.rtl.upsample import Upsample
from finn_transforms.rtl.vvau_lut import VvauLut
from finn_transforms.rtl.width_converter import WidthConverter

SMALL = (1, 2, 3, 4, 6, 8, 12, 16)
LARGE = (24, 32, 48, 64)
_LEAST_UNROLLED = 6
"""Inputs of a layer with constant weights; below that it is a handful of LUTs."""


def unsigned(bits: int) -> BaseDataType:
    """Return the unsigned type of a width; one bit is FINN's BINARY."""
    return DataType[f"UINT{bits}" if bits > 1 else "BINARY"]


def fifo(draw: Draw) -> Fifo:
    return Fifo(
        name="unit", data_type=unsigned(draw.of(1, 2, 3, 4, 8)), elements=draw.size(SMALL, LARGE), beats=64,
        depth=draw.size((2, 3, 4, 8, 16, 20, 32, 50, 64, 100, 128), (200, 256, 300, 500)),
        ram_style=draw.random.choice(("auto", "distributed", "shift")),
    )  # fmt: skip


def width_converter(draw: Draw) -> WidthConverter:
    wide, narrow = draw.size(SMALL, LARGE), draw.of(*SMALL)
    if wide == narrow:
        wide += 1
    if draw.chance(0.5):
        wide, narrow = narrow, wide
    return WidthConverter(
        name="unit", data_type=unsigned(draw.of(1, 2, 4, 8)), elements_in=wide, elements_out=narrow,
        elements=wide * narrow,
    )  # fmt: skip


def duplicate(draw: Draw) -> Duplicate:
    return Duplicate(
        name="unit", data_type=unsigned(draw.of(1, 2, 4, 8, 16)), elements=draw.size(SMALL, LARGE), beats=64,
        copies=draw.size((2, 3, 4), (5, 6)),
    )  # fmt: skip


def signed(bits: int) -> BaseDataType:
    """Return the signed type of a width."""
    return DataType[f"INT{bits}"]


def thresholds(draw: Draw, rows: int, steps: int, bits: int, *, is_signed: bool) -> np.ndarray:
    """Return thresholds as trained ones are: a row of nearly even steps per channel, each with a scale of its own."""
    random = np.random.default_rng(draw.of(*range(1 << 20)))
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    span = high - low
    scale = random.uniform(0.3, 0.95, (rows, 1)) * span / (steps + 1)
    start = low + random.uniform(0.02, 0.3, (rows, 1)) * span
    levels = np.ceil(start + scale * np.arange(1, steps + 1)).astype(np.int64)
    return np.sort(np.clip(levels, low + 1, high), axis=1)


def binary_search(draw: Draw) -> Thresholding:
    return _search(draw, "binary")


def parallel_search(draw: Draw) -> Thresholding:
    return _search(draw, "parallel")


def _search(draw: Draw, search: str) -> Thresholding:
    bits, is_signed = draw.size((6, 8, 10, 12, 14, 16), (18, 20, 24)), draw.chance(0.7)
    output_bits = draw.of(1, 2, 3, 4) if search == "parallel" else draw.of(1, 2, 3, 4, 4, 5, 6)
    pe, fold = draw.size((1, 2, 3, 4), (6, 8)), draw.size((1, 2, 3, 4, 8, 16), (12, 24, 32))
    steps = (1 << min(output_bits, bits - 2)) - 1
    rows = 1 if draw.chance(0.15) else pe * fold
    return Thresholding(
        name="unit", channels=pe * fold, pe=pe, search=search, memory="distributed",
        thresholds=thresholds(draw, rows, steps, bits, is_signed=is_signed),
        input_type=signed(bits) if is_signed else unsigned(bits), output_type=unsigned(output_bits),
    )  # fmt: skip


def factor_type(draw: Draw, *, is_weight: bool) -> BaseDataType:
    """Return a type of one factor: signs, ternary, or 2 to 8 bits."""
    kind = draw.of(*range(10))
    if kind == 0:
        return DataType["BIPOLAR"]
    if kind == 1 and is_weight:
        return DataType["TERNARY"]
    bits = draw.of(2, 3, 4, 4, 5, 6, 8)
    return signed(bits) if is_weight or draw.chance(0.3) else unsigned(draw.of(1, bits, bits, bits))


def weights_of(draw: Draw, data_type: BaseDataType, mw: int, mh: int) -> np.ndarray:
    """Return weights as trained ones are: bell-shaped, a part of them 0."""
    random = np.random.default_rng(draw.of(*range(1 << 20)))
    low, high = int(data_type.min()), int(data_type.max())
    if data_type.name == "BIPOLAR":
        return 2 * random.integers(0, 2, (mw, mh)) - 1
    spread = max(0.6, high * random.uniform(0.3, 0.7))
    return np.clip(np.rint(random.normal(0, spread, (mw, mh))), low, high).astype(np.int64)


def mvau(draw: Draw) -> MvauLut:
    """Streamed weights, or stored ones in LUTs."""
    streamed = draw.chance(0.65)
    folds = (draw.of(1, 2, 3, 4, 8, 9, 16, 36), 1 if streamed and draw.chance(0.7) else draw.of(1, 2, 3, 4, 8))
    return _mvau(draw, (2, 1) if folds == (1, 1) else folds, streamed=streamed)


def deep_memories() -> Iterator[MvauLut]:
    """Yield units with few products and many words, as the last layers of folded networks are."""
    shapes = ((20, 16), (64, 8), (12, 64), (16, 64), (48, 32), (20, 128), (12, 256))
    types = (("INT2", 12, 0.7), ("INT3", 8, 0.8), ("INT4", 6, 1.2), ("INT4", 8, 2.5), ("INT8", 3, 50.0))
    for at, ((beats, groups), (weights, simd, spread)) in enumerate(product(shapes, types)):
        if at % 2:
            continue
        kind = DataType[weights]
        drawn = np.rint(np.random.default_rng(at).normal(0, spread, (simd * beats, groups)))
        yield MvauLut(
            name="unit", mw=simd * beats, mh=groups, pe=1, simd=simd, input_type=DataType["UINT4"],
            weight_type=signed(int(kind.bitwidth())), accumulator_type=DataType["INT16"], ram_style="distributed",
            weights=np.clip(drawn, int(kind.min()), int(kind.max())).astype(np.int64),
        )  # fmt: skip


def mvau_constant(draw: Draw) -> MvauLut:
    """One word of weights: products by constants."""
    while True:
        unit = replace(_mvau(draw, (1, 1), streamed=False), weight_source="constant")
        if unit.mw >= _LEAST_UNROLLED and unit.mh > 1:
            return unit


def _mvau(draw: Draw, folds: tuple[int, int], *, streamed: bool) -> MvauLut:
    """Return a unit; a product of so many bits per cycle is the size, and what lies beyond it is extrapolation."""
    while True:
        pe, simd = draw.of(1, 1, 2, 2, 3, 4, 6, 8, 12), draw.of(1, 2, 3, 4, 6, 8, 8, 9, 12, 16, 18, 24, 32)
        inputs, weights = factor_type(draw, is_weight=False), factor_type(draw, is_weight=True)
        size = pe * simd * int(inputs.bitwidth()) * int(weights.bitwidth())
        words = folds[0] * folds[1] * pe * simd * int(weights.bitwidth())
        in_range = 700 < size <= 2500 and words < 30000 if draw.beyond else 16 <= size <= 700 and words < 12000
        if in_range:
            break
    fold, groups = folds
    product = int(inputs.bitwidth()) + int(weights.bitwidth())
    needed = product + (simd * fold - 1).bit_length()
    bits = max(2, needed + draw.of(-5, -4, -3, -2, -1, 0, 0, 0, 2, 6))
    mw, mh = simd * fold, pe * groups
    return MvauLut(
        name="unit", mw=mw, mh=mh, pe=pe, simd=simd, input_type=inputs, weight_type=weights,
        accumulator_type=signed(bits), weights=None if streamed else weights_of(draw, weights, mw, mh),
        weight_source="stream" if streamed else "memory", ram_style="auto" if streamed else "distributed",
    )  # fmt: skip


def vvau(draw: Draw) -> VvauLut:
    """Depthwise units; their size as that of `mvau`."""
    while True:
        pe, side = draw.of(1, 2, 3, 4, 6, 8, 12, 16), draw.of(2, 3, 3, 3, 4, 5)
        simd = draw.of(*(part for part in range(1, side * side + 1) if side * side % part == 0))
        inputs, weights = factor_type(draw, is_weight=False), factor_type(draw, is_weight=True)
        size = pe * simd * int(inputs.bitwidth()) * int(weights.bitwidth())
        if 500 < size <= 1800 if draw.beyond else 16 <= size <= 500:
            break
    needed = int(inputs.bitwidth()) + int(weights.bitwidth()) + (side * side - 1).bit_length()
    channels = pe * draw.of(1, 2, 3, 4, 8)
    return VvauLut(
        name="unit", channels=channels, pe=pe, simd=simd, kernel=(side, side), windows=4, input_type=inputs,
        weight_type=weights, accumulator_type=signed(max(2, needed + draw.of(-4, -3, -2, -1, 0, 0, 0, 2))),
        weights=weights_of(draw, weights, side * side, channels).T.reshape(channels, 1, side, side),
        ram_style="distributed",
    )  # fmt: skip


def finn_mvu(draw: Draw) -> FinnMvu:
    """FINN's unit on DSP slices, streamed weights."""
    pe, simd = draw.size((1, 2, 3, 4, 6), (8, 12)), draw.size((1, 2, 3, 4, 6, 8), (12, 16))
    inputs, weights = unsigned(draw.of(2, 3, 4, 6, 8)), signed(draw.of(2, 3, 4, 6, 8))
    fold, groups = draw.of(2, 3, 4, 8, 16), draw.of(1, 2, 4)
    needed = int(inputs.bitwidth()) + int(weights.bitwidth()) + (simd * fold - 1).bit_length()
    accumulator = signed(needed + draw.of(-1, 0, 0, 2, 6))
    layer = MvauParams(
        name="unit", mw=simd * fold, mh=pe * groups, pe=pe, simd=simd, input_type=inputs, weight_type=weights,
        accumulator_type=accumulator, output_type=accumulator, mem_mode="external", style="rtl", dsp=True,
    )  # fmt: skip
    return FinnMvu(name="unit", layer=layer, weights=None)


def elementwise_add(draw: Draw) -> Elementwise:
    return _elementwise(draw, "sub" if draw.chance(0.4) else "add")


def elementwise_mul(draw: Draw) -> Elementwise:
    return _elementwise(draw, "mul")


def _elementwise(draw: Draw, operation: Literal["add", "sub", "mul"]) -> Elementwise:
    elements, left, right = draw.size((1, 2, 3, 4, 6, 8), (12, 16)), draw.of(2, 3, 4, 6, 8, 12), draw.of(2, 3, 4, 6, 8)
    left_type = signed(left) if draw.chance(0.5) else unsigned(left)
    right_type = signed(right) if draw.chance(0.5) else unsigned(right)
    exact = left + right if operation == "mul" else max(left, right) + 2
    rows = draw.of(1, 2, 4, 8) if draw.chance(0.4) else 0
    random = np.random.default_rng(draw.of(*range(1 << 20)))
    constants = random.integers(int(right_type.min()), int(right_type.max()) + 1, (rows, elements)) if rows else None
    return Elementwise(
        name="unit", operation=operation, left_type=left_type, right_type=right_type, elements=elements, beats=64,
        output_type=signed(exact - draw.of(0, 0, 1)), constants=constants,
    )  # fmt: skip


def max_pool(draw: Draw) -> Pool:
    bits = draw.of(2, 3, 4, 6, 8)
    data_type = signed(bits) if draw.chance(0.3) else unsigned(bits)
    return _pool(draw, "MaxPool", data_type, data_type)


def sum_pool(draw: Draw) -> Pool:
    bits = draw.of(2, 3, 4, 6, 8)
    data_type = signed(bits) if draw.chance(0.3) else unsigned(bits)
    return _pool(draw, "AccPool", data_type, signed(bits + draw.of(4, 5, 6)))


def _pool(
    draw: Draw, function: Literal["MaxPool", "AccPool"], input_type: BaseDataType, output_type: BaseDataType
) -> Pool:
    pe, side = draw.size(SMALL, LARGE), draw.of(2, 3, 4)
    return Pool(
        name="unit", channels=pe * 2, pe=pe, kernel=(side, side), windows=16, function=function, input_type=input_type,
        output_type=output_type,
    )  # fmt: skip


def global_sum(draw: Draw) -> GlobalSum:
    pe, bits, pixels = draw.size(SMALL, LARGE), draw.of(2, 4, 6, 8), draw.of(4, 9, 16, 49, 64)
    return GlobalSum(
        name="unit", channels=pe * draw.of(1, 2, 4, 8, 16), pe=pe, pixels=pixels, input_type=unsigned(bits),
        output_type=unsigned(bits + (pixels - 1).bit_length()),
    )  # fmt: skip


def _parts(draw: Draw) -> tuple[int, tuple[int, ...]]:
    simd = draw.size(SMALL, LARGE)
    return simd, tuple(simd * draw.of(1, 2, 3, 4, 8, 16, 32) for _ in range(draw.of(2, 2, 3, 4)))


def concat(draw: Draw) -> Concat:
    simd, channels = _parts(draw)
    data_type = unsigned(draw.of(1, 2, 4, 8))
    return Concat(
        name="unit", channels=channels, simd=simd, vectors=4, input_types=(data_type,) * len(channels),
        output_type=data_type,
    )  # fmt: skip


def split(draw: Draw) -> Split:
    simd, channels = _parts(draw)
    return Split(name="unit", channels=channels, simd=simd, vectors=4, data_type=unsigned(draw.of(1, 2, 4, 8)))


def upsample(draw: Draw) -> Upsample:
    simd = draw.size(SMALL, LARGE)
    return Upsample(
        name="unit", image=(8, draw.of(4, 7, 8, 14, 16)), factors=(draw.of(1, 2, 2, 3), draw.of(2, 3)),
        channels=simd * draw.of(1, 2, 4), simd=simd, data_type=unsigned(draw.of(1, 2, 4, 8)), ram_style="distributed",
    )  # fmt: skip


def pixel_padding(draw: Draw) -> PixelPadding:
    simd = draw.size(SMALL, LARGE)
    return PixelPadding(
        name="unit", image=(draw.of(4, 7, 8, 16), draw.of(4, 7, 8, 16)), stride=(draw.of(1, 2, 3), draw.of(2, 3)),
        channels=simd * draw.of(1, 2, 4), simd=simd, data_type=unsigned(draw.of(2, 4, 8)),
    )  # fmt: skip


def window_generator(draw: Draw) -> FinnSwg:
    return _window_generator(draw, parallel=False)


def window_generator_parallel(draw: Draw) -> FinnSwg:
    return _window_generator(draw, parallel=True)


def _window_generator(draw: Draw, *, parallel: bool) -> FinnSwg:
    while True:
        kernel, stride = draw.of(2, 3, 3, 3, 5), draw.of(1, 1, 2)
        size = draw.size((6, 8, 10, 12, 16, 18, 24), (28, 34))
        simd, fold = draw.of(1, 2, 3, 4, 8, 16), 1 if parallel else draw.of(1, 2, 4, 8)
        positions = (size - kernel) // stride + 1
        layer = SwgParams(
            name="unit", kernel=(kernel, kernel), channels=simd * fold, image=(size, size),
            output=(positions, positions), stride=(stride, stride), dilation=(1, 1), simd=simd,
            data_type=unsigned(draw.of(1, 2, 4, 8)), depthwise=draw.chance(0.4), parallel_window=parallel,
            ram_style="distributed",
        )  # fmt: skip
        # FINN cannot build some.
        if layer.refusal is None:
            return FinnSwg(name="unit", layer=layer)


def padding(draw: Draw) -> FinnPadding:
    simd, pad = draw.size((1, 2, 3, 4, 8, 16), (24, 32)), draw.of(1, 2, 3)
    image = draw.of(4, 7, 8, 14, 16, 28, 32)
    layer = PaddingParams(
        name="unit", image=(image, image), padding=(pad,) * 4, channels=simd * draw.of(1, 2, 4, 8), simd=simd,
        data_type=unsigned(draw.of(2, 4, 8)),
    )  # fmt: skip
    return FinnPadding(name="unit", layer=layer)


def sparq_format(draw: Draw) -> SparqFormat:
    """Return a named window set, those of 4 bits more often."""
    names = (*WINDOW_SETS, "4b5opt", "4b3opt", "4b2opt", "4b5opt", "4b3opt", "4b2opt")
    return SparqFormat.named(
        draw.random.choice(names), rounding=draw.chance(0.7), pairs=draw.chance(0.8),
        overflow=draw.random.choice(("saturate", "saturate", "saturate", "carry")),
    )  # fmt: skip


def single_encoders() -> Iterator[SparqEncoder]:
    """Yield encoders without pairs, of which few are drawn."""
    for name, rounding in product(("4b5opt", "4b3opt", "4b2opt"), (False, True)):
        windows = SparqFormat.named(name, rounding=rounding, pairs=False)
        yield SparqEncoder(name="unit", sparq=windows, simd=4, beats=16)


def sparq_encoder(draw: Draw) -> SparqEncoder:
    return SparqEncoder(name="unit", sparq=sparq_format(draw), simd=draw.size((2, 4, 6, 8, 12, 16), (24, 32)), beats=16)


def sparq_mvau(draw: Draw) -> SparqMvau:
    """Streamed weights mostly, the others in LUTs."""
    products = (24, 32, 48) if draw.beyond else (2, 4, 6, 8, 12, 16)
    simd = draw.of(2, 2, 4, 4, 6, 8, 12, 16)
    pe = max(1, draw.of(*products) // simd)
    fold, groups = draw.of(1, 2, 3, 4, 9), draw.of(1, 1, 2, 4)
    weights, streamed = signed(draw.of(8, 8, 8, 8, 6, 4)), draw.chance(0.7)
    bits = int(weights.bitwidth()) + 8 + (simd * fold - 1).bit_length() + draw.of(-3, 0, 0, 2)
    mw, mh = simd * fold, pe * groups
    return SparqMvau(
        name="unit", sparq=sparq_format(draw), mw=mw, mh=mh, pe=pe, simd=simd, weight_type=weights,
        accumulator_type=signed(bits), weights=None if streamed else weights_of(draw, weights, mw, mh),
        weight_source="stream" if streamed else "memory", ram_style="auto" if streamed else "distributed",
    )  # fmt: skip


def shift_mvau(draw: Draw) -> ShiftMvau:
    """Half of them with exponents of whole words, the others with classes of some lanes or of single ones."""
    products = (48, 64, 96) if draw.beyond else (2, 4, 6, 8, 16, 24, 32)
    simd = draw.of(1, 2, 4, 4, 8, 8, 16)
    pe = max(1, draw.of(*products) // simd)
    fold, groups = draw.of(1, 2, 4, 6, 9), draw.of(1, 1, 2, 4)
    mw, mh = simd * fold, pe * groups
    together = simd if draw.chance(0.5) else draw.of(*[size for size in (1, 2, 4) if simd % size == 0])
    most = draw.of(1, 2, 3, 3, 3)
    exponents = [draw.random.randrange(most + 1) for _ in range(mw // together)]
    shifts = np.repeat(exponents, together)
    weights, streamed = signed(draw.of(3, 4, 4, 6, 8)), draw.chance(0.5)
    inputs = draw.random.choice((signed, unsigned))(draw.of(3, 4, 4, 6, 8))
    bits = int(weights.bitwidth()) + int(inputs.bitwidth()) + (mw - 1).bit_length() + most
    known = None if streamed else weights_of(draw, weights, mw, mh)
    # Where a vector is one word, one exponent for all belongs to the scale, and one word of weights is constants.
    if fold == 1 and len(set(shifts.tolist())) == 1:
        shifts = np.arange(mw) % (most + 1)
    if fold * groups == 1:
        known, streamed = None, True
    return ShiftMvau(
        name="unit", mw=mw, mh=mh, pe=pe, simd=simd, input_type=inputs, weight_type=weights, shifts=shifts,
        accumulator_type=signed(bits), weights=known,
        weight_source="stream" if streamed else "memory", ram_style="auto" if streamed else "distributed",
    )  # fmt: skip


SAMPLERS: dict[str, Sampler] = {
    "fifo": Sampler(draw=fifo, counts=(24, 8, 6)),
    "width_converter": Sampler(draw=width_converter, counts=(36, 10, 8)),
    "duplicate": Sampler(draw=duplicate, counts=(8, 4, 3)),
    "mvau": Sampler(draw=mvau, fixed=deep_memories, counts=(220, 24, 16)),
    "vvau": Sampler(draw=vvau, counts=(90, 16, 12)),
    "finn_mvu": Sampler(draw=finn_mvu, counts=(20, 7, 5), dsp=True),
    "mvau_constant": Sampler(draw=mvau_constant, counts=(90, 16, 10)),
    "elementwise_add": Sampler(draw=elementwise_add, counts=(30, 8, 6)),
    "elementwise_mul": Sampler(draw=elementwise_mul, counts=(44, 12, 8)),
    "max_pool": Sampler(draw=max_pool, counts=(20, 6, 5)),
    "sum_pool": Sampler(draw=sum_pool, counts=(14, 5, 4)),
    "global_sum": Sampler(draw=global_sum, counts=(16, 6, 5)),
    "concat": Sampler(draw=concat, counts=(36, 8, 6)),
    "split": Sampler(draw=split, counts=(36, 8, 6)),
    "upsample": Sampler(draw=upsample, counts=(24, 8, 6)),
    "pixel_padding": Sampler(draw=pixel_padding, counts=(24, 8, 6)),
    "window_generator": Sampler(draw=window_generator, counts=(28, 8, 6)),
    "window_generator_parallel": Sampler(draw=window_generator_parallel, counts=(24, 6, 5)),
    "padding": Sampler(draw=padding, counts=(24, 8, 6)),
    "shift_mvau": Sampler(draw=shift_mvau, counts=(40, 10, 6)),
    "sparq_encoder": Sampler(draw=sparq_encoder, counts=(24, 6, 4), fixed=single_encoders),
    "sparq_mvau": Sampler(draw=sparq_mvau, counts=(26, 6, 4)),
    "thresholding_binary": Sampler(draw=binary_search, counts=(36, 10, 8)),
    "thresholding_parallel": Sampler(draw=parallel_search, counts=(28, 8, 6)),
}


def sweep(kind: str) -> list[Configuration]:
    """Return the configurations of a kind."""
    return configurations(kind, SAMPLERS[kind])
