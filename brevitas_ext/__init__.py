"""Quantizers for Brevitas (A2Q, SPARQ, ShiftQuant), accumulator widths that are a guarantee, exact export to QONNX.

Everything here is loaded on first use, so that importing the package needs neither torch nor Brevitas.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brevitas_ext.accumulators import AccumulatorReport, trace_layers
    from brevitas_ext.arith import shift_quantize
    from brevitas_ext.export import export_qonnx, verify_export
    from brevitas_ext.nn import (
        L1BatchNorm1d,
        L1BatchNorm2d,
        L1LayerNorm,
        ShiftQuantConv1d,
        ShiftQuantConv2d,
        ShiftQuantLinear,
        convert_to_shiftquant,
    )
    from brevitas_ext.ptq import convert_batch_norm, recalibrate_batch_norm, shiftquant_to_brevitas, sparq_ptq
    from brevitas_ext.quantizers import (
        A2QPlusWeightQuant,
        A2QWeightQuant,
        ShiftQuantAct,
        ShiftQuantUintAct,
        SparqAct2b7opt,
        SparqAct3b6opt,
        SparqAct4b2opt,
        SparqAct4b3opt,
        SparqAct4b5opt,
        SparqAct5b4opt,
        SparqAct6b3opt,
        SparqAct7b2opt,
        accumulator_penalty,
        freeze_shift_ranges,
        initialize_from_float,
    )

    __version__: str

__all__ = [
    "A2QPlusWeightQuant",
    "A2QWeightQuant",
    "AccumulatorReport",
    "L1BatchNorm1d",
    "L1BatchNorm2d",
    "L1LayerNorm",
    "ShiftQuantAct",
    "ShiftQuantConv1d",
    "ShiftQuantConv2d",
    "ShiftQuantLinear",
    "ShiftQuantUintAct",
    "SparqAct2b7opt",
    "SparqAct3b6opt",
    "SparqAct4b2opt",
    "SparqAct4b3opt",
    "SparqAct4b5opt",
    "SparqAct5b4opt",
    "SparqAct6b3opt",
    "SparqAct7b2opt",
    "__version__",
    "accumulator_penalty",
    "convert_batch_norm",
    "convert_to_shiftquant",
    "export_qonnx",
    "freeze_shift_ranges",
    "initialize_from_float",
    "recalibrate_batch_norm",
    "shift_quantize",
    "shiftquant_to_brevitas",
    "sparq_ptq",
    "trace_layers",
    "verify_export",
]

_MODULE_OF = {
    "A2QPlusWeightQuant": "brevitas_ext.quantizers",
    "A2QWeightQuant": "brevitas_ext.quantizers",
    "AccumulatorReport": "brevitas_ext.accumulators",
    "L1BatchNorm1d": "brevitas_ext.nn",
    "L1BatchNorm2d": "brevitas_ext.nn",
    "L1LayerNorm": "brevitas_ext.nn",
    "ShiftQuantAct": "brevitas_ext.quantizers",
    "ShiftQuantConv1d": "brevitas_ext.nn",
    "ShiftQuantConv2d": "brevitas_ext.nn",
    "ShiftQuantLinear": "brevitas_ext.nn",
    "ShiftQuantUintAct": "brevitas_ext.quantizers",
    "SparqAct2b7opt": "brevitas_ext.quantizers",
    "SparqAct3b6opt": "brevitas_ext.quantizers",
    "SparqAct4b2opt": "brevitas_ext.quantizers",
    "SparqAct4b3opt": "brevitas_ext.quantizers",
    "SparqAct4b5opt": "brevitas_ext.quantizers",
    "SparqAct5b4opt": "brevitas_ext.quantizers",
    "SparqAct6b3opt": "brevitas_ext.quantizers",
    "SparqAct7b2opt": "brevitas_ext.quantizers",
    "accumulator_penalty": "brevitas_ext.quantizers",
    "convert_batch_norm": "brevitas_ext.ptq",
    "convert_to_shiftquant": "brevitas_ext.nn",
    "export_qonnx": "brevitas_ext.export",
    "freeze_shift_ranges": "brevitas_ext.quantizers",
    "initialize_from_float": "brevitas_ext.quantizers",
    "recalibrate_batch_norm": "brevitas_ext.ptq",
    "shift_quantize": "brevitas_ext.arith",
    "shiftquant_to_brevitas": "brevitas_ext.ptq",
    "sparq_ptq": "brevitas_ext.ptq",
    "trace_layers": "brevitas_ext.accumulators",
    "verify_export": "brevitas_ext.export",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return version("brevitas-finn-ext")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
