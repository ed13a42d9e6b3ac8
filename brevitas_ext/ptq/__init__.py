"""After training: SPARQ's recipe, quantized normalization for torch's, and ShiftQuant layers made Brevitas's."""

from brevitas_ext.ptq.batch_norm import BatchNormChange, BatchNormReport, recalibrate_batch_norm
from brevitas_ext.ptq.convert_norm import convert_batch_norm
from brevitas_ext.ptq.ranges import InputRange, RangeMethod, input_ranges, result_ranges
from brevitas_ext.ptq.recipe import PtqReport, PtqResult, quantize_with_sparq, sparq_ptq
from brevitas_ext.ptq.shared_grid import SumGrid
from brevitas_ext.ptq.shift_quant import shiftquant_to_brevitas
from brevitas_ext.ptq.two_of_four import emulate_two_of_four, two_of_four_mask

__all__ = [
    "BatchNormChange",
    "BatchNormReport",
    "InputRange",
    "PtqReport",
    "PtqResult",
    "RangeMethod",
    "SumGrid",
    "convert_batch_norm",
    "emulate_two_of_four",
    "input_ranges",
    "quantize_with_sparq",
    "recalibrate_batch_norm",
    "result_ranges",
    "shiftquant_to_brevitas",
    "sparq_ptq",
    "two_of_four_mask",
]
