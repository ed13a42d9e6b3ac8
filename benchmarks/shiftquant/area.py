"""LUTs and flip-flops of ShiftMM beside a plain matrix product: the paper's Table 8, LUTs only, on generated units.

    python benchmarks/shiftquant/area.py     # writes benchmarks/results/shiftquant/area.json; minutes, less when cached

The paper's product, (1024, 288) x (288, 32), as a matrix-vector unit that takes both operands from streams; PE and SIMD
are equal in a row, and each unit has the narrowest accumulator that holds every sum of its operands' types.  Four
groups of channels, all as large.  ``word``: channels come in the order of their groups, so that a word has
one exponent, one shift behind each adder tree.  ``products`` and ``inputs``: channels in random order, a shift behind
each multiplier, or one for each input.  ``folded``: shifts in weights that are three bits wider, no shift.  There is no
half-precision unit among those generated, so that the paper's comparison with FP16 is left out.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import typer
from qonnx.core.datatype import DataType

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.recording import RESULTS, record
from finn_transforms.cost import synthesize
from finn_transforms.cost.yosys import Yosys
from finn_transforms.rtl import MvauLut, ShiftMvau

INNER, OUTPUTS = 288, 32
GROUPS = 4
SEED = 20261124
PAPER = {
    4: {"lut": round(4799 / 4671, 3), "ff": round(414 / 414, 3)},
    6: {"lut": round(5190 / 5050, 3), "ff": round(590 / 576, 3)},
}
"""Table 8, LUT priority, ours to the baseline of as many bits; ZC706, Vivado."""
FOLDINGS = {"xcup": ((2, 8),), "xc7": ((2, 8),)}
"""PE and SIMD; SIMD divides the channels of a group, so that in order no word has two of them."""


def accumulator_bits(bits: int, exponents: np.ndarray) -> int:
    """Return the bits that hold every sum of products of signed integers of `bits` bits, shifted."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    powers = sum(1 << int(exponent) for exponent in exponents)
    return max((low * low * powers).bit_length(), (-low * high * powers - 1).bit_length()) + 1


def units(bits: int, pe: int, simd: int) -> dict[str, MvauLut]:
    """Return the units that are compared."""
    ordered = np.repeat(np.arange(GROUPS), INNER // GROUPS)
    mixed = np.random.default_rng(SEED).permutation(ordered)
    kind = DataType[f"INT{bits}"]
    plain: dict[str, Any] = {
        "name": "unit", "mw": INNER, "mh": OUTPUTS, "pe": pe, "simd": simd, "input_type": kind, "weight_type": kind,
        "weight_source": "stream", "accumulator_type": DataType[f"INT{accumulator_bits(bits, np.zeros(INNER))}"],
    }  # fmt: skip
    wide = plain | {"accumulator_type": DataType[f"INT{accumulator_bits(bits, ordered)}"]}
    return {
        "plain": MvauLut(**plain),
        "word": ShiftMvau(**wide, shifts=ordered),
        "products": ShiftMvau(**wide, shifts=mixed, place="products"),
        "inputs": ShiftMvau(**wide, shifts=mixed, place="inputs"),
        "folded": MvauLut(**wide | {"weight_type": DataType[f"INT{bits + GROUPS - 1}"]}),
    }


def row(bits: int, pe: int, simd: int, family: str) -> dict[str, Any]:
    """Return LUTs and flip-flops of each unit, and their ratios to the plain one."""
    figures: dict[str, Any] = {}
    for name, unit in units(bits, pe, simd).items():
        found = synthesize(unit, family)
        figures[name] = {"accumulator_bits": unit.accumulator_bits, "lut": found.lut, "ff": found.ff}
        base = figures["plain"]
        figures[name] |= {f"{what}_ratio": round(figures[name][what] / base[what], 3) for what in ("lut", "ff")}
    return {"bits": bits, "pe": pe, "simd": simd, "paper": PAPER.get(bits), **figures}


def main(output: Path = RESULTS / "shiftquant" / "area.json") -> None:
    figures: dict[str, Any] = {
        "tool": Yosys(family="xcup").version, "seed": SEED, "inner": INNER, "outputs": OUTPUTS, "groups": GROUPS
    }  # fmt: skip
    for family, foldings in FOLDINGS.items():
        figures[family] = []
        for bits in (4, 6, 8):
            for pe, simd in foldings:
                figures[family].append(row(bits, pe, simd, family))
                print(family, figures[family][-1], flush=True)
                record(output, figures)


if __name__ == "__main__":
    typer.run(main)
