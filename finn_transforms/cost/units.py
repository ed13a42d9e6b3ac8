"""What each generated unit is made of, from its parameter object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finn_transforms.cost.constant_matrix import constant_matrix_structure
from finn_transforms.cost.dsp import DspBlock
from finn_transforms.cost.elementwise import Operands, elementwise_structure, table_structure
from finn_transforms.cost.finn_mvu import finn_mvu_structure
from finn_transforms.cost.matrix_vector import Factor, MatrixVector, matrix_vector_structure
from finn_transforms.cost.pools import global_sum_structure, maximum_structure, pool_structure
from finn_transforms.cost.shift import shift_mvau_structures
from finn_transforms.cost.sparq import encoder_structure, field_bits, sparq_mvau_structure
from finn_transforms.cost.stream import (
    concat_structure,
    duplicate_structure,
    fifo_structure,
    pixel_padding_structure,
    split_structure,
    upsample_loops,
    upsample_structure,
    width_converter_structure,
)
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.thresholding import Node, Search, search_structure
from finn_transforms.cost.timing import Family
from finn_transforms.cost.window import padding_structure, swg_structure
from finn_transforms.rtl import RtlUnit
from finn_transforms.rtl.concat import Concat
from finn_transforms.rtl.duplicate import Duplicate
from finn_transforms.rtl.elementwise import Elementwise
from finn_transforms.rtl.fifo import Fifo, ram_style
from finn_transforms.rtl.finn_library.mvu import FinnMvu
from finn_transforms.rtl.finn_library.padding import FinnPadding
from finn_transforms.rtl.finn_library.swg import FinnSwg
from finn_transforms.rtl.global_sum import GlobalSum
from finn_transforms.rtl.memory import BLOCK_DEPTH, ReadOnlyMemory
from finn_transforms.rtl.mvau_lut import BUFFER_BLOCK_DEPTH, MvauLut
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


class NoCostError(TypeError):
    """A unit of a kind whose hardware is not described here."""


def unit_structures(unit: RtlUnit, family: Family = "xcup") -> tuple[Structure, ...]:
    """Return what a unit is made of; thresholds inside a matrix-vector unit are a unit behind it.

    Shifts are apart from the unit that they are in.

    Raises:
        NoCostError: its kind is not known.
    """
    inside = unit.activation if isinstance(unit, MvauLut) else None
    behind = () if inside is None else (_thresholding(inside, family),)
    if isinstance(unit, ShiftMvau) and unit.weight_source != "constant":
        plain = _matrix_vector(unit, Factor.of(unit.input_type))
        return (*shift_mvau_structures(plain, unit.schedule, family, at_inputs=unit.shifts_inputs), *behind)
    describe = _KINDS.get(type(unit))
    if describe is None:
        raise NoCostError(
            f"unit {unit.name!r}: expected one of {sorted(kind.__name__ for kind in _KINDS)}, found "
            f"{type(unit).__name__}; synthesise it instead (finn_transforms.cost.synthesize)"
        )
    return (describe(unit, family), *behind)


def _fifo(unit: Fifo, family: Family) -> Structure:
    width = unit.inputs[0].bits
    return fifo_structure(width, unit.words, unit.memory, family)


def _width_converter(unit: WidthConverter, family: Family) -> Structure:  # noqa: ARG001 - all have the same arguments
    return width_converter_structure(
        unit.inputs[0].bits, unit.outputs[0].bits, unit.common * int(unit.data_type.bitwidth())
    )


def _duplicate(unit: Duplicate, family: Family) -> Structure:  # noqa: ARG001
    return duplicate_structure(unit.inputs[0].bits, unit.copies)


def _thresholding(unit: Thresholding, family: Family) -> Structure:  # noqa: ARG001
    search = Search(
        lanes=unit.pe,
        value_bits=unit.inputs[0].element_bits,
        code_bits=unit.code_bits,
        sets=unit.sets,
        stages=tuple(tuple(map(Node.of, stage)) for stage in unit.comparisons),
        blocks=unit.blocks,
        is_parallel=unit.search == "parallel",
    )
    return search_structure(search)


def _mvau(unit: MvauLut, family: Family) -> Structure:
    if unit.weight_source == "constant":
        return constant_matrix_structure(unit.constant_matrix)
    return matrix_vector_structure(_matrix_vector(unit, Factor.of(unit.input_type, xnor=unit.xnor)), family)


def _matrix_vector(unit: MvauLut, inputs: Factor) -> MatrixVector:
    words = unit.synapse_fold * unit.neuron_fold
    content = None if unit.weights is None else unit.words_of(unit.weights).reshape(words, unit.pe, unit.simd)
    return MatrixVector(
        pe=unit.pe,
        simd=unit.simd,
        synapse_fold=unit.synapse_fold,
        neuron_fold=unit.neuron_fold,
        inputs=inputs,
        weights=Factor.of(unit.weight_type, xnor=unit.xnor),
        accumulator_bits=unit.accumulator_bits,
        streamed=unit.weights is None,
        in_blocks=unit.memory is not None and unit.memory.is_block,
        content=content,
        vector_in_blocks=unit.synapse_fold >= BUFFER_BLOCK_DEPTH,
    )


def _sparq_mvau(unit: SparqMvau, family: Family) -> Structure:
    return sparq_mvau_structure(_matrix_vector(unit, Factor(bits=field_bits(unit.sparq))), unit.sparq, family)


def _sparq_encoder(unit: SparqEncoder, family: Family) -> Structure:  # noqa: ARG001
    return encoder_structure(unit.sparq, unit.simd)


def _vvau(unit: VvauLut, family: Family) -> Structure:
    if unit.unrolled is not None:
        return constant_matrix_structure(unit.unrolled.constant_matrix)
    return matrix_vector_structure(
        MatrixVector(
            pe=unit.pe,
            simd=unit.simd,
            synapse_fold=unit.synapse_fold,
            neuron_fold=unit.neuron_fold,
            inputs=Factor.of(unit.input_type),
            weights=Factor.of(unit.weight_type),
            accumulator_bits=int(unit.accumulator_type.bitwidth()),
            in_blocks=unit.memory.is_block,
            content=_content(unit.memory, unit.pe, unit.simd, int(unit.weight_type.bitwidth())),
            is_depthwise=True,
        ),
        family,
    )


def _content(memory: ReadOnlyMemory, pe: int, simd: int, bits: int) -> NDArray[np.int64]:
    """Return the fields of a memory's words, unsigned, (words, PE, SIMD)."""
    mask, count = (1 << bits) - 1, pe * simd
    fields = [[word >> at * bits & mask for at in range(count)] for word in memory.words]
    return np.array(fields, dtype=np.int64).reshape(-1, pe, simd)


def _finn_mvu(unit: FinnMvu, family: Family) -> Structure:
    layer = unit.layer if unit.weights is not None else replace(unit.layer, mem_mode="external")
    in_blocks = layer.ram_style == "block" or (layer.ram_style == "auto" and layer.weight_words >= BLOCK_DEPTH)
    block: DspBlock = "DSP48E1" if unit.dsp_block == "DSP48E1" else "DSP48E2"
    return finn_mvu_structure(replace(layer, style="rtl"), block, family, in_blocks=in_blocks)


def _swg(unit: FinnSwg, family: Family) -> Structure:
    return swg_structure(unit.layer, family)


def _padding(unit: FinnPadding, family: Family) -> Structure:  # noqa: ARG001
    return padding_structure(unit.layer)


def _elementwise(unit: Elementwise, family: Family) -> Structure:  # noqa: ARG001
    if unit.is_table:
        return table_structure(unit.table, unit.operation, unit.outputs[0].element_bits)
    return elementwise_structure(
        Operands(
            operation=unit.operation,
            elements=unit.elements,
            left=unit.left_type,
            right=unit.right_type,
            out_bits=int(unit.output_type.bitwidth()),
            constants=np.zeros((0, unit.elements), dtype=np.int64) if unit.constants is None else unit.constants,
            constant_side=unit.constant_side,
        )
    )


def _pool(unit: Pool, family: Family) -> Structure:  # noqa: ARG001
    if unit.function != "MaxPool":
        return pool_structure(unit.pe, unit.size, unit.sum_bits)
    bits, is_signed = int(unit.input_type.bitwidth()), bool(unit.input_type.signed())
    return maximum_structure(unit.pe, unit.size, bits, is_signed=is_signed)


def _global_sum(unit: GlobalSum, family: Family) -> Structure:
    return global_sum_structure(unit.pe, unit.folds, unit.pixels, int(unit.output_type.bitwidth()), family)


def _concat(unit: Concat, family: Family) -> Structure:  # noqa: ARG001
    return concat_structure(unit.outputs[0].bits, tuple(each // unit.simd for each in unit.channels))


def _split(unit: Split, family: Family) -> Structure:  # noqa: ARG001
    return split_structure(unit.inputs[0].bits, tuple(each // unit.simd for each in unit.channels))


def _upsample(unit: Upsample, family: Family) -> Structure:
    in_blocks = ram_style(unit.ram_style, unit.words, unit.inputs[0].bits) == "block"
    loops = upsample_loops(unit.folds, unit.image[1], unit.factors)
    return upsample_structure(unit.inputs[0].bits, loops, in_blocks=in_blocks, family=family)


def _pixel_padding(unit: PixelPadding, family: Family) -> Structure:  # noqa: ARG001
    return pixel_padding_structure(unit.inputs[0].bits, unit.channels // unit.simd, unit.image, unit.stride)


_KINDS: Final[dict[type[RtlUnit], Callable[[Any, Family], Structure]]] = {
    Concat: _concat,
    Duplicate: _duplicate,
    Elementwise: _elementwise,
    FinnMvu: _finn_mvu,
    FinnPadding: _padding,
    FinnSwg: _swg,
    GlobalSum: _global_sum,
    PixelPadding: _pixel_padding,
    Pool: _pool,
    ShiftMvau: _mvau,
    SparqEncoder: _sparq_encoder,
    SparqMvau: _sparq_mvau,
    Split: _split,
    Upsample: _upsample,
    VvauLut: _vvau,
    Fifo: _fifo,
    MvauLut: _mvau,
    Thresholding: _thresholding,
    WidthConverter: _width_converter,
}
