"""Measure the LUTs of a product of two numbers of every width and signedness, for the estimate of element-wise units.

python benchmarks/cost/products.py               writes finn_transforms/cost/products.json, in about five minutes
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from qonnx.core.datatype import BaseDataType, DataType

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from finn_transforms.cost import products
from finn_transforms.cost.synthesize_all import synthesize_all
from finn_transforms.rtl.elementwise import Elementwise

TABLE = Path(products.__file__).with_name("products.json")
ELEMENTS = 4
HANDSHAKE = 4
"""LUTs of a unit besides its products."""


def main(
    cache: Annotated[Path | None, typer.Option(help="Folder of synthesised results.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Syntheses at a time.")] = 2,
) -> None:
    factors = list(pairs())
    units = [unit(wide, narrow, cut) for wide, narrow in factors for cut in range(products.CUTS)]
    results = synthesize_all(units, "xcup", cache=cache, jobs=jobs, progress=True)
    per_product = [(each.lut - HANDSHAKE) / ELEMENTS for each in results]
    luts = {
        products.key(*described(wide), *described(narrow)): per_product[products.CUTS * at : products.CUTS * (at + 1)]
        for at, (wide, narrow) in enumerate(factors)
    }
    document = {
        "source": {
            "tool": results[0].tool, "family": "xcup", "date": datetime.now(UTC).date().isoformat(),
            "command": "python benchmarks/cost/products.py",
            "counting": f"LUT sites of {ELEMENTS} products, less {HANDSHAKE} of handshake, over {ELEMENTS}; "
            "exact, and with the highest bit cut",
        },
        "luts": luts,
    }  # fmt: skip
    TABLE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def pairs() -> Iterator[tuple[BaseDataType, BaseDataType]]:
    """Yield the wider and the narrower factor's types."""
    for wide in range(1, products.WIDEST + 1):
        for narrow in range(1, min(wide, products.NARROWEST) + 1):
            yield from ((w, n) for w in types(wide) for n in types(narrow))


def types(bits: int) -> tuple[BaseDataType, ...]:
    return (DataType["BINARY"],) if bits == 1 else (DataType[f"UINT{bits}"], DataType[f"INT{bits}"])


def described(data_type: BaseDataType) -> tuple[int, bool]:
    return int(data_type.bitwidth()), bool(data_type.signed())


def unit(wide: BaseDataType, narrow: BaseDataType, cut: int) -> Elementwise:
    bits = max(2, int(wide.bitwidth()) + int(narrow.bitwidth()) - cut)
    return Elementwise(
        name="unit", operation="mul", left_type=wide, right_type=narrow, output_type=DataType[f"INT{bits}"],
        elements=ELEMENTS, beats=64,
    )  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
