"""Post-training quantization with SPARQ: calibrate, exchange layers, recalibrate batch normalization."""

from brevitas_ext.ptq.batch_norm import BatchNormChange, BatchNormReport, recalibrate_batch_norm
from brevitas_ext.ptq.ranges import InputRange, RangeMethod, input_ranges
from brevitas_ext.ptq.recipe import PtqReport, PtqResult, quantize_with_sparq, sparq_ptq
from brevitas_ext.ptq.two_of_four import emulate_two_of_four, two_of_four_mask

__all__ = [
    "BatchNormChange",
    "BatchNormReport",
    "InputRange",
    "PtqReport",
    "PtqResult",
    "RangeMethod",
    "emulate_two_of_four",
    "input_ranges",
    "quantize_with_sparq",
    "recalibrate_batch_norm",
    "sparq_ptq",
    "two_of_four_mask",
]
