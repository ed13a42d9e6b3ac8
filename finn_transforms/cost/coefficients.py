"""The constants of the estimate, from the data file that says where each one comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

MODEL: Final = "interim-finn-r"


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """The constants; units and sources are in ``coefficients.json``.

    Attributes:
        multiplier: LUT per weight bit and input bit of a product.
        compare: LUT per bit of a comparison.
        threshold_rom: LUT per bit and block of words of a threshold memory.
        thresholding_control: LUT of a Thresholding, besides.
        swg_control: LUT of a window generator with an addressed buffer, besides.
        swg_control_per_address_bit: LUT per bit of its address.
        swg_window_control: LUT of a window generator with the window in registers, besides.
        padding_control: LUT of a padding, besides.
        dsp_lane_crossing: LUT per product that shares a DSP slice.
        lut_rom_depth: Words of one bit that a LUT holds, read only.
        block_memory_above: Words above which a memory of style ``auto`` is a block memory.
    """

    multiplier: float
    compare: float
    threshold_rom: float
    thresholding_control: float
    swg_control: float
    swg_control_per_address_bit: float
    swg_window_control: float
    padding_control: float
    dsp_lane_crossing: float
    lut_rom_depth: int
    block_memory_above: int


@cache
def load_coefficients() -> Coefficients:
    """Return the constants of the data file."""
    text = files("finn_transforms.cost").joinpath("coefficients.json").read_text(encoding="utf-8")
    entries = json.loads(text)["coefficients"]
    return Coefficients(**{name: entry["value"] for name, entry in entries.items()})
