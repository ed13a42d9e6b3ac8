"""DSP slices of FINN's RTL matrix-vector unit."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from finn_transforms.cost.timing import Family

DspBlock: TypeAlias = Literal["DSP48E1", "DSP48E2", "DSP58"]

_MULTIPLIER_PORT = {"DSP48E1": 25, "DSP48E2": 27, "DSP58": 27}


def dsp_block(part: str) -> DspBlock:
    """Return the kind of DSP slice of an AMD part, e.g. ``xc7z020clg400-1``.

    Raises:
        ValueError: the name is not that of a 7-series, UltraScale(+) or Versal part.
    """
    if re.match(r"x[acq]7", part):
        return "DSP48E1"
    if re.match(r"x[cq]r?v([cemhp]\d|80)", part):
        return "DSP58"
    if re.match(r"x[acq]r?([kvz]u|k\d\d|u\d)", part):
        return "DSP48E2"
    raise ValueError(
        f"part: expected an AMD 7-series, UltraScale(+) or Versal part such as 'xc7z020clg400-1' or "
        f"'xczu7ev-ffvc1156-2-e', got {part!r}"
    )


def part_family(part: str) -> Family:
    """Return the family whose LUTs a part has, Versal's being taken for UltraScale+; errors as `dsp_block`."""
    return "xc7" if dsp_block(part) == "DSP48E1" else "xcup"


def lanes(weight_bits: int, input_bits: int, block: DspBlock) -> int:
    """Return how many products of one input share a slice (mvu.sv of FINN+ 1.6.1, full-range weights)."""
    port = _MULTIPLIER_PORT[block]
    return max(1, 1 + (port - 1 - weight_bits) // (weight_bits + input_bits - 1))


def rtl_dsps(pe: int, simd: int, weight_bits: int, input_bits: int, block: DspBlock) -> int:
    """Return the slices of an RTL MVAU: one per input and group of `lanes` outputs; a DSP58 adds three products."""
    if block == "DSP58" and weight_bits <= 8 and input_bits <= 9:
        return pe * -(-simd // 3)
    return -(-pe // lanes(weight_bits, input_bits, block)) * simd
