"""What each layer of a hardware graph is made of, its weights and thresholds not being known."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import IntType

from finn_transforms.cost.constant_matrix import constant_matrix_structure
from finn_transforms.cost.dsp import DspBlock
from finn_transforms.cost.elementwise import Operands, elementwise_structure
from finn_transforms.cost.finn_mvu import finn_mvu_structure
from finn_transforms.cost.library import bits_of
from finn_transforms.cost.matrix_vector import Factor, MatrixVector, matrix_vector_structure
from finn_transforms.cost.pools import global_sum_structure, maximum_structure, pool_structure
from finn_transforms.cost.shift import shift_mvau_structures
from finn_transforms.cost.sparq import encoder_structure, field_bits, sparq_mvau_structure
from finn_transforms.cost.stream import (
    concat_structure,
    duplicate_structure,
    pixel_padding_structure,
    split_structure,
    upsample_loops,
    upsample_structure,
)
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.thresholding import Search, search_structure
from finn_transforms.cost.timing import Family
from finn_transforms.cost.window import padding_structure, swg_structure
from finn_transforms.hw_graph import (
    HwLayer,
    MvauParams,
    PaddingParams,
    PoolParams,
    ShiftMvauParams,
    SparqEncoderParams,
    SparqMvauParams,
    StreamParams,
    SwgParams,
    ThresholdingParams,
    VvauParams,
)
from finn_transforms.rtl.constant_matrix import ConstantMatrix
from finn_transforms.rtl.memory import BLOCK_DEPTH
from finn_transforms.rtl.mvau_lut import BUFFER_BLOCK_DEPTH
from finn_transforms.rtl.shift_classes import ShiftSchedule

# Bits of an element whose type is not known.
_UNKNOWN_BITS: Final = 8
_UNKNOWN: Final = IntType(_UNKNOWN_BITS, True)

# Channels whose constant weights are made up where they are not known; the others are taken to cost the same.
_SAMPLED_CHANNELS: Final = 16


def layer_structures(layer: HwLayer, dsp: DspBlock, family: Family) -> tuple[Structure, ...]:
    """Return what a layer is made of; thresholds inside a matrix-vector unit are a unit behind it.

    Args:
        layer: the layer.
        dsp: kind of DSP slice.
        family: part family.
    """
    if isinstance(layer, SparqMvauParams):
        return _sparq_mvau(layer, family)
    if isinstance(layer, SparqEncoderParams):
        return (encoder_structure(layer.sparq, layer.simd),)
    if isinstance(layer, ShiftMvauParams) and not _is_constant(layer):
        return _shift_mvau(layer, family)
    if isinstance(layer, MvauParams):
        return _mvau(layer, dsp, family)
    if isinstance(layer, VvauParams):
        return _vvau(layer, family)
    if isinstance(layer, ThresholdingParams):
        return (_thresholding(layer),)
    if isinstance(layer, SwgParams):
        return (swg_structure(layer, family),)
    if isinstance(layer, PaddingParams):
        return (padding_structure(layer),)
    if isinstance(layer, PoolParams):
        return (_pool(layer),)
    return (_STREAMS[layer.kind](layer, family),)


def _mvau(layer: MvauParams, dsp: DspBlock, family: Family) -> tuple[Structure, ...]:
    if layer.dsp:
        unit: Structure = finn_mvu_structure(layer, dsp, family, in_blocks=_weights_in_blocks(layer))
    elif _is_constant(layer):
        unit = constant_matrix_structure(_unknown_constants(layer), layer.mh)
    else:
        unit = matrix_vector_structure(_matrix_vector(layer, Factor.of(layer.input_type, xnor=layer.xnor)), family)
    return (unit, *_thresholds_inside(layer, layer.mh))


def _is_constant(layer: MvauParams) -> bool:
    return layer.weight_words == 1 and not layer.mem_mode.startswith("external")


def _shift_mvau(layer: ShiftMvauParams, family: Family) -> tuple[Structure, ...]:
    schedule = ShiftSchedule.of(layer.shifts, layer.simd)
    unit = _matrix_vector(layer, Factor.of(layer.input_type))
    structures = shift_mvau_structures(unit, schedule, family, at_inputs=schedule.is_scattered)
    return (*structures, *_thresholds_inside(layer, layer.mh))


def _sparq_mvau(layer: SparqMvauParams, family: Family) -> tuple[Structure, ...]:
    unit = _matrix_vector(layer, Factor(bits=field_bits(layer.sparq)))
    return (sparq_mvau_structure(unit, layer.sparq, family), *_thresholds_inside(layer, layer.mh))


def _matrix_vector(layer: MvauParams, inputs: Factor) -> MatrixVector:
    return MatrixVector(
        pe=layer.pe,
        simd=layer.simd,
        synapse_fold=layer.synapse_fold,
        neuron_fold=layer.neuron_fold,
        inputs=inputs,
        weights=Factor.of(layer.weight_type, xnor=layer.xnor),
        accumulator_bits=layer.accumulator_bits,
        streamed=layer.mem_mode.startswith("external"),
        in_blocks=_weights_in_blocks(layer),
        in_uram=layer.ram_style == "ultra",
        vector_in_blocks=layer.ram_style in ("auto", "block") and layer.synapse_fold >= BUFFER_BLOCK_DEPTH,
    )


def _weights_in_blocks(layer: MvauParams) -> bool:
    return layer.ram_style == "block" or (layer.ram_style == "auto" and layer.weight_words >= BLOCK_DEPTH)


def _unknown_constants(layer: MvauParams) -> ConstantMatrix:
    """Return some columns of a matrix of weights that are not known."""
    return _constant_matrix(layer, _unknown_weights(layer, layer.mw, min(layer.mh, _SAMPLED_CHANNELS)))


def _unknown_kernels(layer: VvauParams) -> ConstantMatrix:
    """Return the matrix of kernels that are not known, each with inputs of its own."""
    kernels = _unknown_weights(layer, layer.length, layer.channels)
    return _constant_matrix(
        layer, (kernels[:, None] * np.eye(layer.channels, dtype=np.int64)).reshape(-1, layer.channels)
    )


def _unknown_weights(layer: MvauParams | VvauParams, rows: int, columns: int) -> NDArray[np.int64]:
    """Return weights such as trained ones, bell-shaped, always the same ones."""
    random = np.random.default_rng(0)
    low, high = int(layer.weight_type.min()), int(layer.weight_type.max())
    if layer.weight_type.name == "BIPOLAR" or layer.xnor:
        return 2 * random.integers(0, 2, (rows, columns)) - 1
    bell = np.rint(random.normal(0, max(0.6, high / 2), (rows, columns)))
    return np.clip(bell, low, high).astype(np.int64)


def _constant_matrix(layer: MvauParams | VvauParams, weights: NDArray[np.int64]) -> ConstantMatrix:
    return ConstantMatrix(
        coefficients=weights,
        offsets=np.ones(weights.shape[1], dtype=np.int64),
        width=int(layer.input_type.bitwidth()),
        bits=layer.accumulator_bits,
    )


def _vvau(layer: VvauParams, family: Family) -> tuple[Structure, ...]:
    groups, folds = layer.channels // layer.pe, layer.length // layer.simd
    words = groups * folds
    if words == 1 and not layer.xnor:
        unit = constant_matrix_structure(_unknown_kernels(layer))
        return (unit, *_thresholds_inside(layer, layer.channels))
    unit = matrix_vector_structure(
        MatrixVector(
            pe=layer.pe,
            simd=layer.simd,
            synapse_fold=folds,
            neuron_fold=groups,
            inputs=Factor.of(layer.input_type, xnor=layer.xnor),
            weights=Factor.of(layer.weight_type, xnor=layer.xnor),
            accumulator_bits=layer.accumulator_bits,
            in_blocks=layer.ram_style == "block" or (layer.ram_style == "auto" and words >= BLOCK_DEPTH),
            in_uram=layer.ram_style == "ultra",
            is_depthwise=True,
        ),
        family,
    )
    return (unit, *_thresholds_inside(layer, layer.channels))


def _thresholds_inside(layer: MvauParams | VvauParams, channels: int) -> tuple[Structure, ...]:
    if not layer.threshold_steps:
        return ()
    search = Search.unknown(
        lanes=layer.pe,
        sets=channels // layer.pe,
        value_bits=layer.accumulator_bits,
        steps=layer.threshold_steps,
    )
    return (search_structure(search),)


def _thresholding(layer: ThresholdingParams) -> Structure:
    """Return our binary search, which is also what stands for FINN's parallel search in HLS."""
    search = Search.unknown(
        lanes=layer.pe,
        sets=1 if layer.shared else layer.channels // layer.pe,
        value_bits=int(layer.input_type.bitwidth()),
        steps=layer.steps,
        in_blocks=layer.ram_style == "block",
    )
    return search_structure(search)


def _pool(layer: PoolParams) -> Structure:
    bits, kernel = int(layer.input_type.bitwidth()), prod(layer.kernel)
    if layer.function == "MaxPool":
        return maximum_structure(layer.pe, kernel, bits, is_signed=bool(layer.input_type.signed()))
    return pool_structure(layer.pe, kernel, layer.accumulator_bits or bits + bits_of(kernel))


def _bits(layer: StreamParams) -> int:
    return max((int(each.bitwidth()) for each in layer.types), default=_UNKNOWN_BITS)


def _elementwise(layer: StreamParams, _family: Family) -> Structure:
    operations: dict[str, Literal["add", "sub", "mul"]] = {
        "ElementwiseAdd": "add",
        "ElementwiseMul": "mul",
        "ElementwiseSub": "sub",
    }
    types = layer.types or (_UNKNOWN,) * 2
    out_bits = 2 * _UNKNOWN_BITS if layer.output_type is None else int(layer.output_type.bitwidth())
    right = types[-1]
    shape = layer.constant_rows, layer.width
    constants = np.random.default_rng(0).integers(int(right.min()), int(right.max()) + 1, shape)
    return elementwise_structure(
        Operands(
            operation=operations[layer.kind], elements=layer.width, left=types[0], right=right, out_bits=out_bits,
            constants=constants,
        )
    )  # fmt: skip


def _duplicate(layer: StreamParams, _family: Family) -> Structure:
    return duplicate_structure(layer.width * _bits(layer), layer.copies)


def _concat(layer: StreamParams, _family: Family) -> Structure:
    return concat_structure(layer.width * _bits(layer), tuple(part // layer.width for part in layer.parts))


def _split(layer: StreamParams, _family: Family) -> Structure:
    return split_structure(layer.width * _bits(layer), tuple(part // layer.width for part in layer.parts))


def _upsample(layer: StreamParams, family: Family) -> Structure:
    (_, high, wide, _), (_, higher, wider, _) = layer.input_shape, layer.output_shape
    width, folds = layer.width * _bits(layer), layer.channels // layer.width
    factors = higher // high, wider // wide
    return upsample_structure(width, upsample_loops(folds, wide, factors), in_blocks=False, family=family)


def _pixel_padding(layer: StreamParams, _family: Family) -> Structure:
    (_, high, wide, _), (_, higher, wider, _) = layer.input_shape, layer.output_shape
    strides = (higher - 1) // max(1, high - 1), (wider - 1) // max(1, wide - 1)
    return pixel_padding_structure(
        layer.width * _bits(layer),
        layer.channels // layer.width,
        (high, wide),
        (max(1, strides[0]), max(1, strides[1])),
    )


def _global_sum(layer: StreamParams, family: Family) -> Structure:
    pixels = prod(layer.input_shape) // layer.channels
    bits = _bits(layer) + bits_of(pixels)
    return global_sum_structure(layer.width, layer.channels // layer.width, pixels, bits, family)


_STREAMS: Final[dict[str, Callable[[Any, Family], Structure]]] = {
    "DuplicateStreams": _duplicate,
    "ElementwiseAdd": _elementwise,
    "ElementwiseMul": _elementwise,
    "ElementwiseSub": _elementwise,
    "FMPadding_Pixel": _pixel_padding,
    "GlobalAccPool": _global_sum,
    "StreamingConcat": _concat,
    "StreamingSplit": _split,
    "UpsampleNearestNeighbour": _upsample,
}
