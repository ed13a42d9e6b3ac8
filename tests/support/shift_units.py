"""Matrix-vector units with shifts and random weights."""

from typing import Any

import numpy as np

from finn_transforms.rtl import ShiftMvau
from tests.support.mvau_units import mvau_unit


def shift_unit(
    name: str, types: str, size: tuple[int, int], folding: tuple[int, int], shifts: Any, source: Any = "memory",
    **fields: Any,
) -> ShiftMvau:  # fmt: skip
    """Return a unit; arguments as `mvau_unit`, and the exponents, repeated up to MW."""
    plain = mvau_unit(name, types, size, folding, source, **fields)
    given = {field: getattr(plain, field) for field in type(plain).__dataclass_fields__}
    return ShiftMvau(**given, shifts=np.resize(shifts, size[0]))


def shared_by_words(exponents: list[int], simd: int) -> list[int]:
    """Return exponents for the words of a vector, equal within a word."""
    return np.repeat(exponents, simd).tolist()


def any_exponents(count: int, seed: int, most: int = 3) -> list[int]:
    """Return exponents from 0 to `most`."""
    return np.random.default_rng(seed).integers(0, most, count, endpoint=True).tolist()
