"""Exact integer arithmetic shared by training and compiler: intervals, accumulator bounds, SPARQ and ShiftQuant."""

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
from brevitas_ext.arith.shift_grouping import Grouping, optimal_grouping, power_of_two_grouping, variance_bound
from brevitas_ext.arith.shift_quant import ShiftQuantized, dequantize, power_of_two_groups, shift_quantize
from brevitas_ext.arith.sparq import WINDOW_SETS, SparqFormat, bsparq, vsparq
from brevitas_ext.arith.sparq_extremes import sparq_dot_extremes

__all__ = [
    "WINDOW_SETS",
    "Grouping",
    "IntRange",
    "ShiftQuantized",
    "SparqFormat",
    "a2q_l1_budget",
    "a2q_plus_l1_budget",
    "bsparq",
    "datatype_bound",
    "dequantize",
    "dot_extremes",
    "dot_extremes_over_boxes",
    "integer_array",
    "optimal_grouping",
    "power_of_two_grouping",
    "power_of_two_groups",
    "shift_quantize",
    "signed_bits",
    "sparq_dot_extremes",
    "unsigned_bits",
    "variance_bound",
    "vsparq",
    "weight_bound",
]
