"""What FINN+'s own formulas say of the same layer, to stand beside ours.

`finn_estimates` takes a unit of `finn_transforms.rtl` and returns FINN's figures for each of its operators that would
compute the layer: ``MVAU_hls`` and ``MVAU_rtl`` for a matrix-vector unit.  FINN gives no formula for the layers that
only join, split or move streams: its operators answer 0, which is what is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from onnx import helper
from qonnx.custom_op.registry import getCustomOp

from finn_transforms.finn_compat import prepare_finn
from finn_transforms.hw_graph import MvauParams, PaddingParams, SwgParams, ThresholdingParams
from finn_transforms.rtl import RtlUnit
from finn_transforms.rtl.concat import Concat
from finn_transforms.rtl.duplicate import Duplicate
from finn_transforms.rtl.elementwise import Elementwise
from finn_transforms.rtl.fifo import Fifo
from finn_transforms.rtl.finn_library import FinnMvu, FinnPadding, FinnSwg, FinnThresholding
from finn_transforms.rtl.global_sum import GlobalSum
from finn_transforms.rtl.mvau_lut import MvauLut
from finn_transforms.rtl.pixel_padding import PixelPadding
from finn_transforms.rtl.pool import Pool
from finn_transforms.rtl.shift_mvau import ShiftMvau
from finn_transforms.rtl.sparq_encoder import SparqEncoder
from finn_transforms.rtl.sparq_mvau import SparqMvau
from finn_transforms.rtl.split import Split
from finn_transforms.rtl.thresholding import Thresholding
from finn_transforms.rtl.upsample import Upsample
from finn_transforms.rtl.vvau_lut import VvauLut
from finn_transforms.rtl.width_converter import WidthConverter

PARTS = {"xc7": "xc7z020clg400-1", "xcup": "xczu7ev-ffvc1156-2-e"}
Attributes: TypeAlias = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class FinnFigures:
    """FINN's estimate of one operator.

    Attributes:
        lut: LUTs.
        bram18: Block RAMs of 18 Kbit.
        uram: UltraRAMs.
        dsp: DSP slices.
    """

    lut: float
    bram18: float
    uram: float
    dsp: float


def finn_estimates(unit: RtlUnit, family: str = "xcup") -> dict[str, FinnFigures]:
    """Return FINN's figures by operator, e.g. ``{"MVAU_hls": ..., "MVAU_rtl": ...}``.

    Args:
        unit: any of the hardware library.
        family: ``xc7`` or ``xcup``; only the kind of DSP slice depends on it.

    Raises:
        FinnMissingError: FINN is not installed.
        KeyError: a unit of a kind that is not listed here.
    """
    prepare_finn()
    return {
        operator: _figures(operator, attributes, PARTS[family])
        for operator, attributes in _OPERATORS[type(unit)](unit).items()
    }


def _figures(operator: str, attributes: Attributes, part: str) -> FinnFigures:
    domain = f"finn.custom_op.fpgadataflow.{operator.rpartition('_')[2]}"
    inputs = ["in0", "in1", "in2"]
    node = helper.make_node(
        operator, inputs, ["out0"], name="unit", domain=domain, backend="fpgadataflow", **attributes
    )
    finn: Any = getCustomOp(node)
    return FinnFigures(
        lut=float(finn.lut_estimation(part)),
        bram18=float(finn.bram_estimation(part)),
        uram=float(finn.uram_estimation(part)),
        dsp=float(finn.dsp_estimation(part)),
    )


def _matrix_vector(unit: MvauLut) -> dict[str, Attributes]:
    streamed = unit.weight_source == "stream"
    attributes = {
        "MW": unit.mw,
        "MH": unit.mh,
        "PE": unit.pe,
        "SIMD": unit.simd,
        "inputDataType": unit.input_type.name,
        "weightDataType": unit.weight_type.name,
        "accDataType": unit.accumulator_type.name,
        "outputDataType": unit.outputs[0].data_type.name,
        "noActivation": int(unit.thresholds is None),
        "resType": "lut",
        "mem_mode": "external" if streamed else "internal_decoupled",
        "ram_style": "distributed",
    }
    return {"MVAU_hls": attributes, "MVAU_rtl": attributes | {"resType": "dsp"}}


def _finn_mvu(unit: FinnMvu) -> dict[str, Attributes]:
    layer: MvauParams = unit.layer
    return {
        "MVAU_rtl": {
            "MW": layer.mw,
            "MH": layer.mh,
            "PE": layer.pe,
            "SIMD": layer.simd,
            "inputDataType": layer.input_type.name,
            "weightDataType": layer.weight_type.name,
            "accDataType": layer.accumulator_type.name,
            "outputDataType": layer.accumulator_type.name,
            "noActivation": 1,
            "mem_mode": "external" if unit.weights is None else "internal_decoupled",
            "ram_style": layer.ram_style,
        }
    }


def _vector_vector(unit: VvauLut) -> dict[str, Attributes]:
    attributes = {
        "Channels": unit.channels,
        "PE": unit.pe,
        "SIMD": unit.simd,
        "Kernel": unit.kernel,
        "Dim": [1, unit.windows],
        "inputDataType": unit.input_type.name,
        "weightDataType": unit.weight_type.name,
        "accDataType": unit.accumulator_type.name,
        "outputDataType": unit.accumulator_type.name,
        "noActivation": 1,
        "resType": "lut",
        "mem_mode": "internal_decoupled",
        "ram_style": "distributed",
    }
    return {"VVAU_hls": attributes, "VVAU_rtl": attributes | {"resType": "dsp"}}


def _search(unit: Thresholding) -> dict[str, Attributes]:
    return _thresholding(
        channels=unit.channels,
        pe=unit.pe,
        steps=int(unit.thresholds.shape[1]),
        types=(unit.input_type.name, unit.input_type.name, unit.output_type.name),
        bias=unit.bias,
    )


def _finn_search(unit: FinnThresholding) -> dict[str, Attributes]:
    layer: ThresholdingParams = unit.layer
    types = (layer.input_type.name, unit.stored_type.name, layer.output_type.name)
    return _thresholding(channels=layer.channels, pe=layer.pe, steps=layer.steps, types=types, bias=layer.bias)


def _thresholding(
    *, channels: int, pe: int, steps: int, types: tuple[str, str, str], bias: int
) -> dict[str, Attributes]:
    attributes = {
        "NumChannels": channels,
        "PE": pe,
        "numSteps": steps,
        "inputDataType": types[0],
        "weightDataType": types[1],
        "outputDataType": types[2],
        "ActVal": bias,
    }
    return {"Thresholding_rtl": attributes, "Thresholding_hls": attributes | {"ram_style": "distributed"}}


def _windows(unit: FinnSwg) -> dict[str, Attributes]:
    layer: SwgParams = unit.layer
    return {
        "ConvolutionInputGenerator_rtl": {
            "ConvKernelDim": layer.kernel,
            "IFMChannels": layer.channels,
            "IFMDim": layer.image,
            "OFMDim": layer.output,
            "Stride": layer.stride,
            "Dilation": layer.dilation,
            "SIMD": layer.simd,
            "inputDataType": layer.data_type.name,
            "outputDataType": layer.data_type.name,
            "depthwise": int(layer.depthwise),
            "parallel_window": int(layer.parallel_window),
            "ram_style": layer.ram_style,
        }
    }


def _padding(unit: FinnPadding) -> dict[str, Attributes]:
    layer: PaddingParams = unit.layer
    return {
        "FMPadding_rtl": {
            "ImgDim": layer.image,
            "Padding": layer.padding,
            "NumChannels": layer.channels,
            "SIMD": layer.simd,
            "inputDataType": layer.data_type.name,
        }
    }


def _width_converter(unit: WidthConverter) -> dict[str, Attributes]:
    widths = (unit.elements_in * unit.inputs[0].element_bits, unit.elements_out * unit.inputs[0].element_bits)
    return {
        "StreamingDataWidthConverter_rtl": {
            "inShape": [1, unit.elements],
            "outShape": [1, unit.elements],
            "inWidth": widths[0],
            "outWidth": widths[1],
            "dataType": unit.data_type.name,
        }
    }


def _fifo(unit: Fifo) -> dict[str, Attributes]:
    style = {"shift": "srl"}.get(unit.ram_style, unit.ram_style)
    return {
        "StreamingFIFO_rtl": {
            "depth": unit.depth,
            "folded_shape": [1, unit.beats, unit.elements],
            "normal_shape": [1, unit.beats * unit.elements],
            "dataType": unit.data_type.name,
            "ram_style": style,
        }
    }


def _elementwise(unit: Elementwise) -> dict[str, Attributes]:
    operator = {"add": "ElementwiseAdd", "sub": "ElementwiseSub", "mul": "ElementwiseMul"}[unit.operation]
    shape = [unit.beats, unit.elements]
    return {
        f"{operator}_hls": {
            "lhs_shape": shape,
            "rhs_shape": shape,
            "out_shape": shape,
            "lhs_dtype": unit.left_type.name,
            "rhs_dtype": unit.right_type.name,
            "out_dtype": unit.output_type.name,
            "lhs_style": "const" if unit.constants is not None and unit.constant_side == "left" else "input",
            "rhs_style": "const" if unit.constants is not None and unit.constant_side == "right" else "input",
            "PE": unit.elements,
            "ram_style": "distributed",
        }
    }


def _no_formula(operator: str) -> Callable[[Any], dict[str, Attributes]]:
    # FINN's answer for these, 0, is that of the base class and looks at no attribute.
    return lambda _unit: {operator: {}}


def _no_operator(_unit: RtlUnit) -> dict[str, Attributes]:
    return {}


_OPERATORS: Mapping[type[RtlUnit], Callable[[Any], dict[str, Attributes]]] = {
    Concat: _no_formula("StreamingConcat_hls"),
    Duplicate: _no_formula("DuplicateStreams_hls"),
    Elementwise: _elementwise,
    Fifo: _fifo,
    FinnMvu: _finn_mvu,
    FinnPadding: _padding,
    FinnSwg: _windows,
    FinnThresholding: _finn_search,
    GlobalSum: _no_formula("GlobalAccPool_hls"),
    MvauLut: _matrix_vector,
    PixelPadding: _no_formula("FMPadding_Pixel_hls"),
    Pool: _no_formula("Pool_hls"),
    ShiftMvau: _no_operator,
    SparqEncoder: _no_operator,
    SparqMvau: _no_operator,
    Split: _no_formula("StreamingSplit_hls"),
    Thresholding: _search,
    Upsample: _no_formula("UpsampleNearestNeighbour_hls"),
    VvauLut: _vector_vector,
    WidthConverter: _width_converter,
}
