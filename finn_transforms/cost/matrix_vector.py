"""Matrix-vector units in LUTs: planes of one factor's bits, their adders, accumulator, weights and input vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType

from finn_transforms.cost.dot_product import (
    Adders,
    DotShape,
    combining_adders,
    dot_adders,
    plane_adders,
)
from finn_transforms.cost.library import bits_of, counter, is_power_of_two, memory_terms
from finn_transforms.cost.memory import Memory, bram18, ram, uram
from finn_transforms.cost.rom import random_rom_luts, rom_luts
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import Part, Term
from finn_transforms.cost.timing import Family

MVAU: Final = "mvau"
VVAU: Final = "vvau"

_SHALLOW: Final = 4
# Adders of terms, which take less where few words leave many bits of weights constant.
_OF_WEIGHTS: Final = ("leaf", "lone", "count", "three", "two")
_SMALL_ROM_BITS: Final = 5

_PARTS: Final[dict[str, Part]] = {
    "leaf": "multipliers",
    "lone": "multipliers",
    "count": "multipliers",
    "combine": "multipliers",
    "combine_again": "multipliers",
    "combine_gap": "multipliers",
    "three": "adder_tree",
    "two": "adder_tree",
}


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One factor of the products.

    Attributes:
        bits: Its bits.
        is_signed: Whether it is two's complement.
        is_sign: Whether its one bit stands for -1 and 1.
    """

    bits: int
    is_signed: bool = False
    is_sign: bool = False

    @classmethod
    def of(cls, data_type: BaseDataType, *, xnor: bool = False) -> Factor:
        """Return a factor of a data type; with `xnor`, bits that stand for signs."""
        sign = xnor or data_type.name == "BIPOLAR"
        return cls(bits=int(data_type.bitwidth()), is_signed=not sign and int(data_type.min()) < 0, is_sign=sign)


@dataclass(frozen=True, kw_only=True)
class MatrixVector:
    """A matrix-vector unit in LUTs.

    Attributes:
        pe: Outputs per cycle.
        simd: Inputs per cycle.
        synapse_fold: Cycles per group of outputs, SF.
        neuron_fold: Groups of outputs, NF.
        inputs: The inputs.
        weights: The weights.
        accumulator_bits: P.
        streamed: Whether the weights come from a stream.
        in_blocks: Whether they are in block RAM.
        content: The weights, integers (NF * SF, PE, SIMD); None where they are not known.
        is_depthwise: Whether each output has inputs of its own, as in a vector-vector unit.
        vector_in_blocks: Whether the input vector is kept in block RAM.
        in_uram: Whether the weights are in UltraRAM instead.
    """

    pe: int
    simd: int
    synapse_fold: int
    neuron_fold: int
    inputs: Factor
    weights: Factor
    accumulator_bits: int
    streamed: bool = False
    in_blocks: bool = False
    content: NDArray[np.int64] | None = None
    vector_in_blocks: bool = False
    in_uram: bool = False
    is_depthwise: bool = False

    @property
    def words(self) -> int:
        """Words of weights."""
        return self.synapse_fold * self.neuron_fold

    @property
    def offset(self) -> int:
        """What the sum of the planes of a cycle is off by: inverted highest bits and complements are constants."""
        dot, both = self.dot, self.weights.is_sign and self.inputs.is_sign
        selecting, given = (self.inputs, self.weights) if self.selects_input else (self.weights, self.inputs)
        value_is_signed = not both and (self.inputs.is_sign or given.is_signed)
        found = self.simd if self.inputs.is_sign and not both else 0
        for plane in range(dot.planes):
            excess = self.simd << (dot.value_bits - 1 + dot.scale + plane) if value_is_signed else 0
            if selecting.is_signed and plane == dot.planes - 1:
                found += excess - (((1 << dot.plane_bits) - 1) << (dot.scale + plane))
            else:
                found -= excess
        return found - ((1 << dot.shared_bits) - 1 if dot.shared_bits else 0)

    @property
    def stored(self) -> bool:
        """Whether there is a memory of weights."""
        return self.words > 1 and not self.streamed

    @property
    def word_bits(self) -> int:
        """Bits of a word of weights."""
        return self.pe * self.simd * self.weights.bits

    @property
    def input_bits(self) -> int:
        """Bits of the inputs of a cycle."""
        return self.simd * self.inputs.bits * (self.pe if self.is_depthwise else 1)

    @property
    def selects_input(self) -> bool:
        """Whether the planes are bits of the inputs; else they are bits of the weights."""
        if self.weights.is_sign:
            return False
        return self.inputs.is_sign or self.inputs.bits < self.weights.bits

    @property
    def dot(self) -> DotShape:
        """One of its dot products."""
        selecting, given = (self.inputs, self.weights) if self.selects_input else (self.weights, self.inputs)
        signs_weight = self.weights.is_sign and not self.inputs.is_sign
        signs_input = self.inputs.is_sign and not self.weights.is_sign
        value_bits = given.bits + (1 if signs_input and not self.weights.is_signed else 0)
        shared = 0
        if signs_weight:
            shared = (self.simd * ((1 << value_bits) - 1)).bit_length()
        elif signs_input:
            shared = self.simd.bit_length()
        return DotShape(
            simd=self.simd,
            planes=selecting.bits,
            value_bits=value_bits,
            scale=int(signs_weight),
            shared_bits=shared,
            accumulator_bits=self.accumulator_bits,
        )


def matrix_vector_structure(unit: MatrixVector, family: Family = "xcup") -> Structure:
    """Return the structure of a matrix-vector or vector-vector unit.

    Constants, per bit of an adder: ``leaf``, ``count``, ``three``, ``two``, ``combine`` (see `dot_product`),
    ``accumulate`` and, where there is nothing to accumulate, ``once_0`` to ``once_2`` by how many operands a constant
    is added to; ``late*`` for its bits at which two operands meet, and where one is a complement (``_two``: without
    adders in front); ``shared_*`` for the sum that all outputs share.  Per bit of a term, ``lone*`` where it has no
    other, ``single`` and ``no_tree`` where there are so few that planes meet at once.  Per LUT of a table
    ``rom_<bits of its address>``, ``rom_shallow`` per bit of one of a few words (its adders: ``leaf_few`` and so on),
    and what `counter` and `memory_terms` say; per unit ``feed_once``, ``feed_held`` or ``feed_kept``.
    """
    dot = unit.dot
    adders = Adders()
    adders.merge(dot_adders(dot), unit.pe)
    shared = _shared(unit, dot)
    adders.merge(shared, unit.pe if unit.is_depthwise else 1)
    kept = _kept(unit, family)
    terms = [Term(*_named(name, bits, unit)) for name, bits in adders.bits.items()]
    terms += _accumulators(unit, dot)
    if unit.simd == 1 and dot.kept_planes == 2:
        # Products that no adder takes in.
        terms.append(Term("single", unit.pe * dot.kept_planes * dot.value_bits, "multipliers"))
    if unit.simd <= (3 if dot.value_bits == 1 else 2) and dot.kept_planes > 1:
        # The adders of planes follow those of terms at once.
        terms.append(Term("no_tree", unit.pe * dot.value_bits, "multipliers"))
    terms += [Term("pe", unit.pe, "control"), Term("plane", unit.pe * dot.kept_planes, "adder_tree")]
    if unit.stored and not (unit.in_blocks or unit.in_uram):
        terms.append(Term(_rom_name(unit.words), _rom(unit), "weights"))
        if unit.words <= _SHALLOW:
            # So few different columns that synthesis builds some of them anew where they are used.
            terms.append(Term("rom_shallow", unit.word_bits, "weights"))
    terms += [*_feed(unit), *memory_terms(kept, unit.input_bits)]
    levels = dot_adders(dot).levels
    stored_bits = unit.words * unit.word_bits if unit.stored and (unit.in_blocks or unit.in_uram) else 0
    return Structure(
        kind=VVAU if unit.is_depthwise else MVAU,
        terms=tuple(terms),
        ff={
            "sum": adders.registers,
            "accumulator": unit.pe * unit.accumulator_bits * (1 if unit.synapse_fold == 1 else 2),
            "weights": 0 if unit.words == 1 or unit.in_blocks else unit.word_bits,
            "input": unit.input_bits,
            "unit": 1,
            "mark": levels + 2,
            "counter": bits_of(unit.words),
        },
        delay={
            "unit": 1,
            "carry": unit.accumulator_bits,
            "readers": bits_of(max(1, adders.registers)),
            "rom": max(0, bits_of(unit.words) - 6) if unit.stored and not unit.in_blocks else 0,
        },
        bram18=(bram18(unit.words, unit.word_bits) if unit.stored and unit.in_blocks else 0) + kept.bram18,
        uram=uram(unit.words, unit.word_bits) if unit.stored and unit.in_uram else 0,
        stored_bits=stored_bits + (unit.synapse_fold * unit.input_bits if kept.bram18 else 0),
    )


def _named(name: str, bits: int, unit: MatrixVector) -> tuple[str, int, Part]:
    """Return constant, amount and part of some adders; terms that are inverted by an input's sign have their own."""
    plain, constant = name.removeprefix("shared_"), name
    if unit.inputs.is_sign and name in ("leaf", "count", "lone"):
        constant = f"{name}_sign"
    elif name == "lone" and unit.dot.kept_planes > 1:
        constant = "lone_plane"
    few = "_few" if unit.stored and unit.words <= _SHALLOW and name in _OF_WEIGHTS else ""
    return constant + few, bits, _PARTS[plain]


def _accumulators(unit: MatrixVector, dot: DotShape) -> list[Term]:
    """Return the terms behind the planes: the last adders, whose start is a constant where nothing is accumulated."""
    combining, rest = combining_adders(dot.operands, dot.accumulator_bits)
    p = dot.accumulator_bits
    overlap = max(0, min(width + shift for width, shift in rest) - rest[1][1]) if len(rest) > 1 else 0
    if unit.synapse_fold == 1:
        # Bits below the second lowest operand pass by.
        starts = sorted(shift for _, shift in rest) + ([_trailing_zeros(unit.offset % (1 << p))] if unit.offset else [])
        bits = p - sorted(starts)[1] if len(starts) > 1 else 0
        return [Term(f"once_{len(rest)}", unit.pe * max(0, bits), "accumulator")]
    terms = [Term("accumulate", unit.pe * p, "accumulator")]
    if len(rest) > 1:
        is_negative = (unit.inputs if unit.selects_input else unit.weights).is_signed
        name = "late" if combining.levels else "late_two"
        terms += [
            Term(name, unit.pe * overlap, "accumulator"),
            Term(f"{name}_sign", unit.pe * dot.bits_of_plane(dot.kept_planes - 1) * is_negative, "accumulator"),
        ]
    return terms


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1 if number else 64


def _shared(unit: MatrixVector, dot: DotShape) -> Adders:
    if not dot.shared_bits:
        return Adders()
    bits = dot.value_bits if unit.weights.is_sign else 1
    return plane_adders(unit.simd, bits, dot.shared_bits, "shared_")


def _rom_name(words: int) -> str:
    """Return the constant of a table by its depth: the deeper, the more its choices take besides."""
    return f"rom_{max(_SMALL_ROM_BITS, bits_of(words))}"


def _rom(unit: MatrixVector) -> int:
    if unit.content is None:
        return random_rom_luts(unit.words, unit.word_bits)
    content = unit.content.reshape(unit.words, -1)
    coded = (content + 1) // 2 if unit.weights.is_sign and content.min() < 0 else content
    bits = (coded[:, :, None] >> np.arange(unit.weights.bits)) & 1
    return rom_luts(bits.reshape(unit.words, -1).astype(bool))


def _kept(unit: MatrixVector, family: Family) -> Memory:
    is_kept = unit.neuron_fold > 1 and unit.synapse_fold > 1 and not unit.is_depthwise
    words = unit.synapse_fold if is_kept else 0
    return ram(words, unit.input_bits, in_blocks=unit.vector_in_blocks, family=family)


def _feed(unit: MatrixVector) -> list[Term]:
    beats, repeats = unit.synapse_fold, 1 if unit.is_depthwise else unit.neuron_fold
    if repeats == 1:
        name = "feed_once" if beats > 1 else "feed_straight"
    else:
        name = "feed_held" if beats == 1 else "feed_kept"
    # Two counters of the same size become one.
    places = [] if repeats == 1 or beats == 1 or is_power_of_two(beats) else counter(beats)
    groups = counter(unit.words) if unit.is_depthwise and unit.neuron_fold > 1 else []
    return [Term(name, 1, "control"), *counter(beats * repeats), *places, *groups]
