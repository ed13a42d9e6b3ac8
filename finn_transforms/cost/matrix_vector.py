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
    constant_adders,
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
MVAU_CONSTANT: Final = "mvau_constant"

_PARTS: Final[dict[str, Part]] = {
    "leaf": "multipliers",
    "count": "multipliers",
    "combine": "multipliers",
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

    @property
    def words(self) -> int:
        """Words of weights."""
        return self.synapse_fold * self.neuron_fold

    @property
    def is_constant(self) -> bool:
        """Whether each weight meets one input only, so that the products are by constants."""
        return self.words == 1 and not self.streamed

    @property
    def selects_input(self) -> bool:
        """Whether the planes are bits of the inputs; else they are bits of the weights."""
        if self.weights.is_sign:
            return False
        return self.inputs.is_sign or self.inputs.bits < self.weights.bits

    @property
    def dot(self) -> DotShape:
        """One of its dot products."""
        selecting, given = (
            (self.inputs, self.weights) if self.selects_input else (self.weights, self.inputs)
        )
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
    """Return the structure of a matrix-vector unit.

    Constants, per bit of an adder: ``leaf``, ``count``, ``three``, ``two``, ``combine`` (see `dot_product`),
    ``accumulate_1`` and ``accumulate_2`` by how many operands the accumulator adds, ``once_1`` and ``once_2`` where
    there is nothing to accumulate, ``shared_*`` for the sum that all outputs share; ``constant_*`` with constant weights.
    Per LUT of a table ``rom``, and what `counter` and `memory_terms` say; per unit ``feed_once``, ``feed_held`` or
    ``feed_kept``.
    """
    dot = unit.dot
    adders, operands = _adders(unit, dot)
    shared = _shared(unit, dot)
    adders.merge(shared)
    terms = [Term(name, bits, _part(name)) for name, bits in adders.bits.items()]
    name = "once" if unit.synapse_fold == 1 else "accumulate"
    terms.append(Term(f"{name}_{operands}", unit.pe * unit.accumulator_bits, "accumulator"))
    weight_bits = unit.pe * unit.simd * unit.weights.bits
    blocks = weight_bits > 0 and not unit.streamed and unit.words > 1 and unit.in_blocks
    if not unit.streamed and unit.words > 1 and not (unit.in_blocks or unit.in_uram):
        terms.append(Term(_rom_name(unit.words), _rom(unit, weight_bits), "weights"))
    kept = _kept(unit, family)
    terms += [*_feed(unit), *memory_terms(kept, unit.simd * unit.inputs.bits)]
    depth = adders.levels + 1
    return Structure(
        kind=MVAU_CONSTANT if unit.is_constant else MVAU,
        terms=tuple(terms),
        ff={
            "sum": adders.registers,
            "accumulator": unit.pe * unit.accumulator_bits * (1 if unit.synapse_fold == 1 else 2),
            "weights": 0 if unit.is_constant else weight_bits,
            "input": unit.simd * unit.inputs.bits,
            "unit": 1,
            "mark": depth,
            "counter": bits_of(unit.words),
        },
        delay={
            "unit": 1,
            "carry": unit.accumulator_bits,
            "readers": bits_of(max(1, unit.pe * unit.simd * unit.weights.bits)),
            "rom": max(0, bits_of(unit.words) - 6) if not unit.streamed and not unit.in_blocks else 0,
        },
        bram18=(bram18(unit.words, weight_bits) if blocks else 0) + kept.bram18,
        uram=uram(unit.words, weight_bits) if unit.in_uram and not unit.streamed and unit.words > 1 else 0,
        stored_bits=unit.words * weight_bits if blocks or unit.in_uram else 0,
    )


def _part(name: str) -> Part:
    return _PARTS[name.removeprefix("shared_").removeprefix("constant_")]


def _adders(unit: MatrixVector, dot: DotShape) -> tuple[Adders, int]:
    """Return the adders of all dot products, and the operands that each accumulator adds."""
    combining, rest = combining_adders(dot.operands, dot.accumulator_bits)
    if unit.is_constant and unit.content is not None and not unit.selects_input:
        planes = [
            (plane, [int(weight) >> plane & 1 for weight in row])
            for row in _coded(unit)
            for plane in range(dot.planes)
        ]
        found = constant_adders(dot, planes)
        found.merge(combining, unit.pe)
        found.levels = dot_adders(dot).levels
        return found, max(1, len(rest))
    one = dot_adders(dot)
    found = Adders()
    found.merge(one, unit.pe)
    found.levels = one.levels
    return found, max(1, len(rest))


def _coded(unit: MatrixVector) -> NDArray[np.int64]:
    """Return the first word of weights as unsigned numbers of their bits, (PE, SIMD); a sign is 0 for -1."""
    content = np.zeros((1, unit.pe, unit.simd), dtype=np.int64) if unit.content is None else unit.content
    coded = (content[0] + 1) // 2 if unit.weights.is_sign and content.min() < 0 else content[0]
    return coded & ((1 << unit.weights.bits) - 1)


def _shared(unit: MatrixVector, dot: DotShape) -> Adders:
    if not dot.shared_bits:
        return Adders()
    bits = dot.value_bits if unit.weights.is_sign else 1
    return plane_adders(unit.simd, bits, dot.shared_bits, "shared_")


def _rom_name(words: int) -> str:
    """Return the constant of a table by its depth: the deeper, the more its choices take besides."""
    return f"rom_{max(8, bits_of(words))}"


def _rom(unit: MatrixVector, weight_bits: int) -> int:
    if unit.content is None:
        return random_rom_luts(unit.words, weight_bits)
    content = unit.content.reshape(unit.words, -1)
    coded = (content + 1) // 2 if unit.weights.is_sign and content.min() < 0 else content
    bits = (coded[:, :, None] >> np.arange(unit.weights.bits)) & 1
    return rom_luts(bits.reshape(unit.words, -1).astype(bool))


def _kept(unit: MatrixVector, family: Family) -> Memory:
    is_kept = unit.neuron_fold > 1 and unit.synapse_fold > 1
    return ram(
        unit.synapse_fold if is_kept else 0,
        unit.simd * unit.inputs.bits,
        in_blocks=unit.vector_in_blocks,
        family=family,
    )


def _feed(unit: MatrixVector) -> list[Term]:
    beats, repeats = unit.synapse_fold, unit.neuron_fold
    if repeats == 1:
        name = "feed_once" if beats > 1 else "feed_straight"
    else:
        name = "feed_held" if beats == 1 else "feed_kept"
    places = [] if beats == 1 or is_power_of_two(beats) else counter(beats)
    return [Term(name, 1, "control"), *counter(beats * repeats), *places]

