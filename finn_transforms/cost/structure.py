"""What the arithmetic of a layer says about its hardware, before any constant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from finn_transforms.cost.terms import Term


@dataclass(frozen=True, kw_only=True)
class Structure:
    """One layer's hardware.

    Attributes:
        kind: Kind of layer, the key of its constants.
        terms: What takes LUTs.
        ff: What takes flip-flops, amounts by name of the constant.
        delay: What the longest combinational path runs through, amounts by name of the constant.
        bram18: Block RAMs of 18 Kbit.
        uram: UltraRAMs.
        dsp: DSP slices.
        stored_bits: Bits that block RAMs and UltraRAMs hold.
        note: What the figures are for where that is not what FINN builds; empty where it is.
    """

    kind: str
    terms: tuple[Term, ...]
    ff: Mapping[str, float] = field(default_factory=dict)
    delay: Mapping[str, float] = field(default_factory=dict)
    bram18: int = 0
    uram: int = 0
    dsp: int = 0
    stored_bits: int = 0
    note: str = ""
