"""Layers that train on integers of 8 bits and less: ShiftQuant, and fully quantized normalization."""

from brevitas_ext.nn.batch_norm import L1BatchNorm1d, L1BatchNorm2d, L2BatchNorm1d, L2BatchNorm2d, QuantizedBatchNorm
from brevitas_ext.nn.convert import ShiftQuantConversion, convert_to_shiftquant, shiftquant_conversion
from brevitas_ext.nn.exact_product import exact_matmul
from brevitas_ext.nn.layer_norm import L1LayerNorm, L2LayerNorm, QuantizedLayerNorm
from brevitas_ext.nn.norm_options import NormBits
from brevitas_ext.nn.quantization import ShiftQuantization
from brevitas_ext.nn.shift_conv import ShiftQuantConv1d, ShiftQuantConv2d
from brevitas_ext.nn.shift_linear import ShiftQuantLinear

__all__ = [
    "L1BatchNorm1d",
    "L1BatchNorm2d",
    "L1LayerNorm",
    "L2BatchNorm1d",
    "L2BatchNorm2d",
    "L2LayerNorm",
    "NormBits",
    "QuantizedBatchNorm",
    "QuantizedLayerNorm",
    "ShiftQuantConv1d",
    "ShiftQuantConv2d",
    "ShiftQuantConversion",
    "ShiftQuantLinear",
    "ShiftQuantization",
    "convert_to_shiftquant",
    "exact_matmul",
    "shiftquant_conversion",
]
