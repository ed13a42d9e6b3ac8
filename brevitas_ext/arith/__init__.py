"""Exact integer arithmetic shared by training and compiler: intervals, accumulator bounds and SPARQ."""

from brevitas_ext.arith.accumulator import (
    a2q_l1_budget,
    a2q_plus_l1_budget,
    datatype_bound,
    dot_extremes,
    dot_extremes_over_boxes,
    integer_array,
    weight_bound,
)
from brevitas_ext.arith.interval import IntRange, signed_bits, unsigned_bits
from brevitas_ext.arith.sparq import WINDOW_SETS, SparqFormat, bsparq, vsparq
from brevitas_ext.arith.sparq_extremes import sparq_dot_extremes

__all__ = [
    "WINDOW_SETS",
    "IntRange",
    "SparqFormat",
    "a2q_l1_budget",
    "a2q_plus_l1_budget",
    "bsparq",
    "datatype_bound",
    "dot_extremes",
    "dot_extremes_over_boxes",
    "integer_array",
    "signed_bits",
    "sparq_dot_extremes",
    "unsigned_bits",
    "vsparq",
    "weight_bound",
]
