"""Quantizers for Brevitas: accumulator-aware weights, SPARQ and ShiftQuant activations."""

from brevitas_ext.quantizers.a2q import A2QConfig, a2q_integers
from brevitas_ext.quantizers.closest_integers import closest_integers
from brevitas_ext.quantizers.ep_init import project_on_l1_ball
from brevitas_ext.quantizers.initialization import initialize_from_float
from brevitas_ext.quantizers.injectors import A2QPlusWeightQuant, A2QWeightQuant
from brevitas_ext.quantizers.penalty import accumulator_penalty
from brevitas_ext.quantizers.proxy import A2QWeightQuantProxy, UnknownInputFormatError
from brevitas_ext.quantizers.rows import ChannelRows
from brevitas_ext.quantizers.shift_proxy import ShiftActQuantProxy, ShiftQuantTensor, freeze_shift_ranges
from brevitas_ext.quantizers.shift_quant import ShiftQuantAct, ShiftQuantUintAct
from brevitas_ext.quantizers.shift_ranges import ShiftTensorQuant, UncalibratedRangesError
from brevitas_ext.quantizers.shift_tensor import ShiftQuantizedTensor, dequantize_tensor, shift_quantize_tensor
from brevitas_ext.quantizers.sparq import (
    SPARQ_QUANTIZERS,
    SparqAct2b7opt,
    SparqAct3b6opt,
    SparqAct4b2opt,
    SparqAct4b3opt,
    SparqAct4b5opt,
    SparqAct5b4opt,
    SparqAct6b3opt,
    SparqAct7b2opt,
)
from brevitas_ext.quantizers.sparq_quant import SparqActQuantProxy

__all__ = [
    "SPARQ_QUANTIZERS",
    "A2QConfig",
    "A2QPlusWeightQuant",
    "A2QWeightQuant",
    "A2QWeightQuantProxy",
    "ChannelRows",
    "ShiftActQuantProxy",
    "ShiftQuantAct",
    "ShiftQuantTensor",
    "ShiftQuantUintAct",
    "ShiftQuantizedTensor",
    "ShiftTensorQuant",
    "SparqAct2b7opt",
    "SparqAct3b6opt",
    "SparqAct4b2opt",
    "SparqAct4b3opt",
    "SparqAct4b5opt",
    "SparqAct5b4opt",
    "SparqAct6b3opt",
    "SparqAct7b2opt",
    "SparqActQuantProxy",
    "UncalibratedRangesError",
    "UnknownInputFormatError",
    "a2q_integers",
    "accumulator_penalty",
    "closest_integers",
    "dequantize_tensor",
    "freeze_shift_ranges",
    "initialize_from_float",
    "project_on_l1_ball",
    "shift_quantize_tensor",
]
