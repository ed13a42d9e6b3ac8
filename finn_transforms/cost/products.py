"""LUTs of a product of two numbers, from a table of measured ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

WIDEST: Final = 12
"""Bits of the wider factor up to which products are measured."""
NARROWEST: Final = 8
"""Bits of the narrower one."""
CUTS: Final = 2
"""Results that are measured: exact, and without the highest bit."""


def key(wide: int, wide_signed: bool, narrow: int, narrow_signed: bool) -> str:
    """Return the name of a product in the table, such as ``8s4u``."""
    return f"{wide}{'us'[wide_signed]}{narrow}{'us'[narrow_signed]}"


@cache
def measured_products() -> Mapping[str, list[float]]:
    """Return the table of ``products.json``: LUTs of the exact product, and of one without its highest bit."""
    luts: Mapping[str, list[float]] = json.loads(
        files("finn_transforms.cost").joinpath("products.json").read_text(encoding="utf-8")
    )["luts"]
    return luts


def product_luts(wide: int, wide_signed: bool, narrow: int, narrow_signed: bool, out_bits: int) -> float:
    """Return the LUTs of a product.

    Beyond the table, a product is as much larger than the largest in it as its adders are.

    Args:
        wide: bits of the wider factor.
        wide_signed: whether it is two's complement.
        narrow: bits of the narrower one.
        narrow_signed: whether it is.
        out_bits: bits of the result that are used.
    """
    inner_wide, inner_narrow = min(wide, WIDEST), min(narrow, NARROWEST)
    exact, cut = measured_products()[
        key(inner_wide, wide_signed and inner_wide > 1, inner_narrow, narrow_signed and inner_narrow > 1)
    ]
    missing = wide + narrow - out_bits
    luts = exact if missing <= 0 else cut
    return luts * sum(product_adders(wide, narrow)) / max(1, sum(product_adders(inner_wide, inner_narrow)))


def product_adders(wide: int, narrow: int) -> tuple[int, int]:
    """Return the bits of the adders of two rows of a product, and of those behind them (``bfx_product.sv``)."""
    if narrow <= 2:
        return wide + narrow - 1, 0
    low = 1 << ((narrow - 1).bit_length() - 1)
    (low_rows, low_sums), (high_rows, high_sums) = (product_adders(wide, part) for part in (low, narrow - low))
    return low_rows + high_rows, low_sums + high_sums + wide + narrow - low
