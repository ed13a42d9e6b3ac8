"""The matrix-vector unit (MVAU)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from qonnx.core.datatype import BaseDataType

from finn_transforms.hw_graph.attributes import NodeReader, require_divisor
from finn_transforms.hw_graph.unit import UnitParams


@dataclass(frozen=True, kw_only=True)
class MvauParams(UnitParams):
    """A matrix of MW x MH weights applied to a stream of vectors, SIMD inputs and PE outputs at a time.

    Attributes, besides those of every unit:
        mw: Length of the input vector (matrix width), K of the dot product; a multiple of SIMD.
        mh: Number of outputs (matrix height); a multiple of PE.
        num_vectors: Leading dimensions of the input, e.g. (1, 30, 30) for a convolution.
        tiling: FINN's ``TH``; multiplies the cycles.

    Raises:
        HwGraphError: SIMD or PE divides nothing.
    """

    mw: int
    mh: int
    num_vectors: tuple[int, ...] = (1,)
    tiling: int = 1

    def __post_init__(self) -> None:
        require_divisor(self.name, ("SIMD", self.simd), ("MW", self.mw))
        require_divisor(self.name, ("PE", self.pe), ("MH", self.mh))

    @classmethod
    def from_reader(cls, reader: NodeReader) -> MvauParams:
        """Read the node."""
        return cls(
            mw=reader.integer("MW"),
            mh=reader.integer("MH"),
            num_vectors=reader.integers("numInputVectors", default=(1,)),
            tiling=reader.integer("TH", 1),
            # FINN gives it no default here.
            **cls.fields(reader) | {"simd": reader.integer("SIMD")},
        )

    @property
    def smallest_simd(self) -> int:
        """The fewest inputs per cycle; SIMD is a multiple of it."""
        return 1

    @property
    def input_words(self) -> int:
        """Elements of the input stream that come in a cycle."""
        return self.simd

    @property
    def stream_type(self) -> BaseDataType:
        """Data type of such an element."""
        return self.input_type

    @property
    def length(self) -> int:
        """Products of one output, K."""
        return self.mw

    @property
    def weight_words(self) -> int:
        """Words of PE * SIMD weights in the weight memory."""
        return self.mw * self.mh // (self.simd * self.pe)

    @property
    def synapse_fold(self) -> int:
        """Cycles for one group of PE outputs, MW / SIMD."""
        return self.mw // self.simd

    @property
    def neuron_fold(self) -> int:
        """Times each input vector is used, MH / PE."""
        return self.mh // self.pe

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input, ``(*num_vectors, mw)``."""
        return (*self.num_vectors, self.mw)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output, ``(*num_vectors, mh)``."""
        return (*self.num_vectors, self.mh)

    def cycles(self) -> int:
        """Return clock cycles per frame: one word of weights per cycle and vector."""
        return self.neuron_fold * self.synapse_fold * prod(self.num_vectors) * self.tiling
