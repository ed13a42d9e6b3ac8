"""Layers that train on integers of less than 8 bits: ShiftQuant."""

from brevitas_ext.nn.convert import ShiftQuantConversion, convert_to_shiftquant, shiftquant_conversion
from brevitas_ext.nn.exact_product import exact_matmul
from brevitas_ext.nn.quantization import ShiftQuantization
from brevitas_ext.nn.shift_conv import ShiftQuantConv1d, ShiftQuantConv2d
from brevitas_ext.nn.shift_linear import ShiftQuantLinear

__all__ = [
    "ShiftQuantConv1d",
    "ShiftQuantConv2d",
    "ShiftQuantConversion",
    "ShiftQuantLinear",
    "ShiftQuantization",
    "convert_to_shiftquant",
    "exact_matmul",
    "shiftquant_conversion",
]
