"""The matrix-vector unit (MVAU) for activations in SPARQ's code."""

from __future__ import annotations

from dataclasses import dataclass

from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith.sparq import ACTIVATION_BITS, SparqFormat
from brevitas_ext.arith.sparq_code import decode, unpack
from finn_transforms.analysis.datatypes import named
from finn_transforms.analysis.sparq_stream import code_type, words_of
from finn_transforms.rtl.mvau_lut import MvauLut
from finn_transforms.rtl.sparq_encoder import check_format, numbers
from finn_transforms.rtl.streams import Integers, Stream

LIBRARY: tuple[str, ...] = (
    "bfx_sparq_mvau.sv",
    "bfx_marks.sv",
    "bfx_sums_out.sv",
    "bfx_sparq_pair.sv",
    "bfx_sparq_product.sv",
    "bfx_sparq_shift.sv",
    "bfx_vector_feed.sv",
    "bfx_adder_tree.sv",
    "bfx_counter.sv",
)

_ACTIVATION = named(f"UINT{ACTIVATION_BITS}")


@dataclass(frozen=True, kw_only=True, eq=False)
class SparqMvau(MvauLut):
    """Multiplies a stream of vectors in SPARQ's code with a matrix, modulo 2^P.

    Two activations of a pair meet one multiplier: two products of n x 8 bits whose weights are chosen by MuxCtrl and
    whose results are shifted left by ShiftCtrl.  SIMD counts activations, so that SIMD / 2 multipliers work for each of
    PE outputs and a vector of MW activations takes MW / SIMD cycles, half of what an 8-bit unit of as many multipliers
    takes.  Adders of three operands sum the products; a register stands behind every adder and behind the shift.
    Folding, weights, thresholds and handshake are those of `MvauLut`.

    Attributes:
        sparq: The code of the activations.
        input_type: What an activation is before and after the code, ``UINT8``.

    Raises:
        ValueError: as `MvauLut`; a SIMD that pairs do not divide, constant or bipolar weights.
    """

    sparq: SparqFormat
    input_type: BaseDataType = _ACTIVATION

    def __post_init__(self) -> None:
        check_format(self.name, self.sparq, self.simd)
        if self.input_type != _ACTIVATION:
            raise ValueError(
                f"{self.name}: expected {_ACTIVATION.name} activations, found {self.input_type.name}; leave it out"
            )
        if self.weight_source == "constant" or self.weight_type.name == "BIPOLAR":
            raise ValueError(
                f"{self.name}: expected integer weights from a memory or a stream, found {self.weight_type.name} as "
                f"{self.weight_source}; use an MvauLut behind 8-bit activations"
            )
        super().__post_init__()

    @property
    def multipliers(self) -> int:
        """8-bit multipliers that its products stand for, PE * SIMD / 2 with pairs."""
        return self.pe * words_of(self.sparq, self.simd)

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The vectors in code, and the weights where they are streamed."""
        data, *weights = super().inputs
        elements = words_of(self.sparq, self.simd)
        coded = Stream(name=data.name, data_type=code_type(self.sparq), elements=elements, beats=data.beats)
        return (coded, *weights)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the exact sums over what the code is worth, whether they fit P bits or not, or their thresholds."""
        activations = decode(unpack(inputs[0], self.sparq), self.sparq)
        return super().golden(activations, *inputs[1:])

    def _core(self) -> tuple[str, dict[str, int | str]]:
        return "bfx_sparq_mvau", {
            **self._folding_parameters(),
            "N": self.sparq.bits,
            "B": int(self.weight_type.bitwidth()),
            "WEIGHT_SIGNED": int(self.weight_type.min() < 0),
            "PAIRS": int(self.sparq.pairs),
            "PLACES": len(self.sparq.shift_table),
            "TABLE": numbers(self.sparq.shift_table),
            **self._source_parameters(),
        }

    @property
    def _library(self) -> tuple[str, ...]:
        return LIBRARY
