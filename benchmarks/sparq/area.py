"""LUTs of a SPARQ processing element and of its encoder beside an 8b-8b element: the paper's Table 3 on FPGAs.

    python benchmarks/sparq/area.py      # writes benchmarks/results/sparq_area.json; minutes, less with what is cached

Elements have an accumulator of 24 bits and one set of operands per cycle: one product of 8 x 8 bits, or two activations
in SPARQ's code (``rows`` is the library's ``bfx_sparq_pair``).  ``fixed`` has neither shifts nor chosen weights (the
paper's 2x4b-8b), ``exact`` multiplies two 8-bit activations without SPARQ.  Encoders are units, per activation.  Units
of matrix-vector products have as many 8-bit multipliers each, weights streamed.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import typer
from qonnx.core.datatype import DataType

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.recording import RESULTS, record
from brevitas_ext.arith.sparq import SparqFormat
from finn_transforms.cost import synthesize
from finn_transforms.cost.yosys import Yosys
from finn_transforms.rtl import MvauLut, SparqEncoder, SparqMvau
from finn_transforms.rtl.sparq_encoder import numbers
from finn_transforms.rtl.unit import library_source

ELEMENTS = Path(__file__).with_suffix(".sv")
PAIR = ("bfx_sparq_pair.sv", "bfx_sparq_product.sv", "bfx_sparq_shift.sv")
WINDOWS = ("4b5opt", "4b3opt", "4b2opt", "3b6opt", "2b7opt")
PAPER = {"4b5opt": 1.43, "4b3opt": 1.22, "4b2opt": 1.13}
"""Table 3, area of the systolic array's element relative to 8b-8b, an ASIC."""
P = 24
# Multipliers of each output, outputs per cycle.
UNITS = ((1, 1), (4, 1), (4, 4), (16, 1))
WEIGHTS = f"input wire clk, input wire first, input wire [1:0][7:0] w, output wire [{P - 1}:0] y"


def element(name: str, ports: str, parameters: str, family: str, *, dsp: bool = False) -> dict[str, int]:
    """Return what one processing element takes."""
    sources = {
        "top.sv": f"module top ({ports});\n{name} #({parameters}) core (.*);\nendmodule\n",
        ELEMENTS.name: ELEMENTS.read_text(encoding="utf-8"),
        **{name: library_source(name) for name in PAIR},
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for file, text in sources.items():
            (folder / file).write_text(text, encoding="utf-8")
        found = Yosys(family=family, dsp=dsp).run("top", sources, folder)
    return {"lut": found.lut, "lut_before_packing": found.luts_before_packing, "ff": found.ff, "dsp": found.dsp}


def mac(style: str, family: str, *, dsp: bool = False) -> dict[str, int]:
    ports = WEIGHTS.replace("[1:0][7:0] w", "[7:0] w") + ", input wire [7:0] x"
    return element("area_mac", ports, f'.STYLE("{style}")', family, dsp=dsp)


def sparq(name: str, style: str, family: str, *, dsp: bool = False) -> dict[str, int]:
    windows = SparqFormat.named(name)
    table, bits = windows.shift_table, windows.bits
    ports = (
        f"{WEIGHTS}, input wire [1:0][{bits - 1}:0] x, input wire [1:0][{windows.shift_bits - 1}:0] place, "
        "input wire [1:0] crossed"
    )
    parameters = f'.STYLE("{style}"), .N({bits}), .PLACES({len(table)}), .TABLE({numbers(table)})'
    return element("area_sparq", ports, parameters, family, dsp=dsp)


def elements(family: str) -> dict[str, Any]:
    """Return the processing elements, ratios to the 8b-8b element of the same style."""
    fixed = element("area_fixed", f"{WEIGHTS}, input wire [1:0][3:0] x", "", family)
    ports = f"{WEIGHTS}, input wire rst_n, input wire [1:0][7:0] x, input wire [8:0] both"
    exact = {
        name: element("area_exact", ports, f".SHARED({shared})", family)
        for name, shared in (("exact", 1), ("exact_own_sum", 0))
    }
    found: dict[str, Any] = {"8b8b": {}, "fixed": fixed, **exact, "sparq": {}}
    for style in ("rows", "star"):
        base = found["8b8b"][style] = mac(style, family)
        for name in WINDOWS:
            figures = sparq(name, style, family)
            found["sparq"].setdefault(name, {"paper": PAPER.get(name)})[style] = {
                **figures, "ratio": round(figures["lut"] / base["lut"], 3)
            }  # fmt: skip
    for each in (fixed, *exact.values()):
        each["ratio"] = round(each["lut"] / found["8b8b"]["rows"]["lut"], 3)
    found["8b8b"]["dsp"] = mac("star", family, dsp=True)
    found["sparq"]["4b5opt"]["dsp"] = sparq("4b5opt", "star", family, dsp=True)
    for name in WINDOWS[:3]:
        found["sparq"][name]["dsp_packed"] = sparq(name, "packed", family, dsp=True)
    return found


def encoders(family: str) -> dict[str, Any]:
    """Return LUTs of an encoder per activation, of one pair."""
    found: dict[str, Any] = {}
    for name in WINDOWS:
        for mode, rounding in (("trim", False), ("round", True)):
            windows = SparqFormat.named(name, rounding=rounding)
            unit = SparqEncoder(name="unit", sparq=windows, simd=2, beats=16)
            found.setdefault(name, {})[mode] = synthesize(unit, family).lut / 2
    return found


def units(family: str) -> list[dict[str, Any]]:
    """Return whole units with as many 8-bit multipliers, and an 8-bit unit of the same throughput as the SPARQ unit."""
    rows = []
    for multipliers, pe in UNITS:
        plain, same_throughput = (
            synthesize(plain_unit(simd, pe), family).lut for simd in (multipliers, 2 * multipliers)
        )
        figures = {name: synthesize(sparq_unit(name, 2 * multipliers, pe), family).lut for name in WINDOWS}
        rows.append(
            {
                "multipliers": multipliers, "pe": pe, "8b8b": plain, "8b8b_same_throughput": same_throughput, **figures,
                "ratio": {name: round(lut / plain, 3) for name, lut in figures.items()},
            }
        )  # fmt: skip
    return rows


def plain_unit(simd: int, pe: int) -> MvauLut:
    return MvauLut(
        name="unit", mw=4 * simd, mh=pe, pe=pe, simd=simd, input_type=DataType["UINT8"], weight_type=DataType["INT8"],
        accumulator_type=DataType[f"INT{P}"], weight_source="stream",
    )  # fmt: skip


def sparq_unit(name: str, simd: int, pe: int) -> SparqMvau:
    return SparqMvau(
        name="unit", sparq=SparqFormat.named(name), mw=4 * simd, mh=pe, pe=pe, simd=simd, weight_type=DataType["INT8"],
        accumulator_type=DataType[f"INT{P}"], weight_source="stream",
    )  # fmt: skip


def main(output: Path = RESULTS / "sparq_area.json") -> None:
    figures: dict[str, Any] = {"tool": Yosys(family="xcup").version, "accumulator_bits": P}
    for family in ("xcup", "xc7"):
        figures[family] = {"elements": elements(family), "encoder_luts_per_activation": encoders(family)}
        print(family, figures[family], flush=True)
    figures["xcup"]["units"] = units("xcup")
    print(figures["xcup"]["units"])
    record(output, figures)


if __name__ == "__main__":
    typer.run(main)
