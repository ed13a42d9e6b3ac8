"""Exact integer arithmetic shared by training and compiler: intervals and accumulator bounds."""

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

__all__ = [
    "IntRange",
    "a2q_l1_budget",
    "a2q_plus_l1_budget",
    "datatype_bound",
    "dot_extremes",
    "dot_extremes_over_boxes",
    "integer_array",
    "signed_bits",
    "unsigned_bits",
    "weight_bound",
]
