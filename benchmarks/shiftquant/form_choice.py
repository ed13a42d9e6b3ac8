"""How often the estimate chooses the smaller of two units: narrow weights and shifts, or weights with shifts in them.

    nice python benchmarks/shiftquant/form_choice.py   # writes benchmarks/results/shiftquant/form_choice.json; minutes

Random layers with memories of weights in LUTs, both forms estimated and synthesised; none of them is in the sweep that
the constants were fitted to.
"""

import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import typer
from qonnx.core.datatype import DataType

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.recording import RESULTS, record
from finn_transforms.cost import estimate, synthesize
from finn_transforms.cost.yosys import Yosys
from finn_transforms.rtl import MvauLut, RtlUnit, ShiftMvau

SEED = 20261124
PAIRS = 12


def pair(random: Random) -> tuple[ShiftMvau, MvauLut]:
    """Return a unit that shifts and the one whose weights have the shifts in them."""
    simd, pe, fold, groups = (random.choice(sizes) for sizes in ((2, 4, 4, 8), (1, 2, 4), (4, 6, 9, 18), (1, 2, 4)))
    mw, mh, most = simd * fold, pe * groups, random.choice((1, 2, 3, 3))
    together = random.choice((1, 1, 2, simd, simd))
    numbers = np.random.default_rng(random.randrange(1 << 30))
    shifts = np.repeat(numbers.integers(0, most, mw // together, endpoint=True), together)
    bits, weight_bits = random.choice((3, 4, 6, 8)), random.choice((3, 4, 4, 6))
    high = (1 << (weight_bits - 1)) - 1
    weights = np.clip(np.rint(numbers.normal(0, 0.45 * high, (mw, mh))), -high, high).astype(np.int64)
    total = bits + weight_bits + (mw - 1).bit_length() + most
    fields: dict[str, Any] = {
        "name": "unit", "mw": mw, "mh": mh, "pe": pe, "simd": simd, "ram_style": "distributed",
        "input_type": DataType[random.choice(("INT", "UINT")) + str(bits)], "accumulator_type": DataType[f"INT{total}"],
    }  # fmt: skip
    shifted = ShiftMvau(**fields, weights=weights, weight_type=DataType[f"INT{weight_bits}"], shifts=shifts)
    wide = DataType[f"INT{weight_bits + most}"]
    return shifted, MvauLut(**fields, weights=weights << shifts[:, np.newaxis], weight_type=wide)


def figures(unit: RtlUnit) -> dict[str, int]:
    """Return LUTs as they are estimated and as they are synthesised."""
    return {"estimated": estimate(unit, family="xcup").lut, "synthesised": synthesize(unit, "xcup").lut}


def main(output: Path = RESULTS / "shiftquant" / "form_choice.json") -> None:
    random = Random(SEED)
    rows: list[dict[str, Any]] = []
    for _ in range(PAIRS):
        shifted, folded = pair(random)
        both = {"shift": figures(shifted), "folded": figures(folded)}
        chosen = min(both, key=lambda form: both[form]["estimated"])
        right = min(both, key=lambda form: both[form]["synthesised"])
        least = min(each["synthesised"] for each in both.values())
        rows.append(
            {
                "mw": shifted.mw, "mh": shifted.mh, "pe": shifted.pe, "simd": shifted.simd,
                "input": shifted.input_type.name, "weight": shifted.weight_type.name,
                "place": "inputs" if shifted.shifts_inputs else "products", "classes": len(shifted.schedule.classes),
                **both, "right": chosen == right, "lost": round(both[chosen]["synthesised"] / least - 1, 4),
            }
        )  # fmt: skip
        print(rows[-1], flush=True)
    errors = [
        abs(each[form]["estimated"] / each[form]["synthesised"] - 1) for each in rows for form in ("shift", "folded")
    ]
    gaps = [
        abs(
            (each["shift"]["estimated"] - each["folded"]["estimated"])
            - (each["shift"]["synthesised"] - each["folded"]["synthesised"])
        )
        / each["folded"]["synthesised"]
        for each in rows
    ]
    record(
        output,
        {
            "tool": Yosys(family="xcup").version, "seed": SEED, "pairs": len(rows),
            "right": sum(each["right"] for each in rows), "mean_error": round(float(np.mean(errors)), 4),
            "mean_error_of_difference": round(float(np.mean(gaps)), 4),
            "mean_lost": round(float(np.mean([each["lost"] for each in rows])), 4), "rows": rows,
        },
    )  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
