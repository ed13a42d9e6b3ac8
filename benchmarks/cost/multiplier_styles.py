"""LUTs of a dot product by how it is written: products or bit planes, adders of two or three operands.

    python benchmarks/cost/multiplier_styles.py     # writes benchmarks/results/cost/multiplier_styles.json

Each style is synthesised for signed weights, unsigned inputs and P = M + N + log2(SIMD) bits, one PE with its
accumulator.  A second table has the chosen style, ``planes3``, for every M x N up to 8 x 8 at SIMD = 16.
"""

import sys
import tempfile
from pathlib import Path

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.recording import RESULTS, record
from finn_transforms.cost.yosys import Yosys
from finn_transforms.rtl.unit import library_source

STYLES = ("star", "star3", "rows", "rows3", "planes2", "planes3")
LIBRARY = ("bfx_dot.sv", "bfx_plane.sv", "bfx_adder_tree.sv", "bfx_shift_tree.sv")
STYLES_FILE = Path(__file__).with_suffix(".sv")
COMPARED = [(bits, simd) for simd in (4, 16) for bits in (1, 2, 3, 4, 6, 8)] + [(2, 64), (4, 64)]


def sites(style: str, weight_bits: int, input_bits: int, simd: int, family: str) -> dict[str, int]:
    """Return LUT sites and flip-flops of one dot product."""
    p = weight_bits + input_bits + (simd - 1).bit_length()
    ports = (
        f"input wire clk, input wire [{simd * weight_bits - 1}:0] w, input wire [{simd * input_bits - 1}:0] x, "
        f"input wire first, output wire [{p - 1}:0] y"
    )
    parameters = f'.STYLE("{style}"), .SIMD({simd}), .M({weight_bits}), .N({input_bits}), .P({p})'
    sources = {
        "top.sv": f"module top ({ports});\nstyle_dot #({parameters}) core (.*);\nendmodule\n",
        STYLES_FILE.name: STYLES_FILE.read_text(encoding="utf-8"),
        **{name: library_source(name) for name in LIBRARY},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in sources.items():
            (folder / file).write_text(text, encoding="utf-8")
        found = Yosys(family=family).run("top", sources, folder)
    return {"lut": found.lut, "lut_before_packing": found.luts_before_packing, "ff": found.ff}


def main(family: str = "xcup", table: bool = True) -> None:
    compared = []
    for bits, simd in COMPARED:
        found = {style: sites(style, bits, bits, simd, family) for style in STYLES}
        best = min(found, key=lambda style: found[style]["lut"])
        luts = "  ".join(f"{style} {figures['lut']:5d}" for style, figures in found.items())
        print(f"{bits} x {bits} bits, SIMD {simd:2d}: {luts}  best {best}", flush=True)
        compared.append({"weight_bits": bits, "input_bits": bits, "simd": simd, "best": best, "styles": found})
    planes = []
    for weight_bits in range(1, 9) if table else ():
        row = [sites("planes3", min(weight_bits, n), max(weight_bits, n), 16, family)["lut"] for n in range(1, 9)]
        print(f"planes3, M = {weight_bits}, N = 1..8, SIMD 16: {row}", flush=True)
        planes.append(row)
    figures = {
        "tool": Yosys(family=family).version,
        "family": family,
        "compared": compared,
        "planes3_simd16_m_by_n": planes,
    }
    record(RESULTS / "cost" / "multiplier_styles.json", figures)


if __name__ == "__main__":
    typer.run(main)
