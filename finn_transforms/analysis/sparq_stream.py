"""Streams in SPARQ's code: their data type, and how many words activations are."""

from __future__ import annotations

from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange
from brevitas_ext.arith.sparq import SparqFormat
from brevitas_ext.arith.sparq_code import word_bits
from finn_transforms.analysis.datatypes import named


def code_type(sparq: SparqFormat) -> BaseDataType:
    """Return the type of a word of the encoded stream: of a pair, or of an activation without pairs."""
    return named(f"UINT{word_bits(sparq)}")


def words_of(sparq: SparqFormat, activations: int) -> int:
    """Return the words that hold a number of activations, even where they come in pairs."""
    return activations // 2 if sparq.pairs else activations


def sparq_values(sparq: SparqFormat) -> IntRange:
    """Return the range of what an activation is worth behind the code."""
    wide = int(sparq.wide_values.max()) if sparq.pairs else 0
    return IntRange(0, max(int(sparq.narrow_values.max()), wide))


def smallest_simd(sparq: SparqFormat) -> int:
    """Return the fewest activations that a beat can have."""
    return 2 if sparq.pairs else 1
