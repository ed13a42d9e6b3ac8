"""Post-training quantization with SPARQ: calibrate, exchange layers, recalibrate batch normalization."""

from brevitas_ext.ptq.batch_norm import BatchNormChange, BatchNormReport, recalibrate_batch_norm
from brevitas_ext.ptq.ranges import InputRange, RangeMethod, input_ranges
from brevitas_ext.ptq.recipe import PtqReport, PtqResult, quantize_with_sparq, sparq_ptq

__all__ = [
    "BatchNormChange",
    "BatchNormReport",
    "InputRange",
    "PtqReport",
    "PtqResult",
    "RangeMethod",
    "input_ranges",
    "quantize_with_sparq",
    "recalibrate_batch_norm",
    "sparq_ptq",
]
