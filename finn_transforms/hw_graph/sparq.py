"""SPARQ's layers: the encoder of activations, and the matrix-vector unit that reads the code."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith.sparq import SparqFormat
from finn_transforms.analysis.sparq_stream import code_type, smallest_simd, words_of
from finn_transforms.hw_graph.attributes import HwGraphError, NodeReader, require_divisor
from finn_transforms.hw_graph.mvau import MvauParams


@dataclass(frozen=True, kw_only=True)
class SparqEncoderParams:
    """Encodes a stream of activations (..., C), SIMD of them at a time.

    Attributes:
        name: Name of the node.
        sparq: Windows, rounding, pairs.
        channels: Channels C; even where they come in pairs.
        simd: Activations per cycle; divides `channels`, even where they come in pairs.
        num_vectors: Leading dimensions of the input, e.g. (1, 32, 32).

    Raises:
        HwGraphError: SIMD does not divide the channels, or parts a pair.
    """

    name: str
    sparq: SparqFormat
    channels: int
    simd: int
    num_vectors: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        require_divisor(self.name, ("SIMD", self.simd), ("NumChannels", self.channels))
        _require_pairs(self.name, self.sparq, self.simd)

    @classmethod
    def from_reader(cls, reader: NodeReader) -> SparqEncoderParams:
        """Read the node."""
        return cls(
            name=reader.name,
            sparq=_format(reader),
            channels=reader.integer("NumChannels"),
            simd=reader.integer("SIMD"),
            num_vectors=reader.integers("numInputVectors", default=(1,)),
        )

    @property
    def smallest_simd(self) -> int:
        """The fewest activations per cycle."""
        return smallest_simd(self.sparq)

    @property
    def words(self) -> int:
        """Words of the code that leave in a cycle."""
        return words_of(self.sparq, self.simd)

    @property
    def output_type(self) -> BaseDataType:
        """Data type of a word."""
        return code_type(self.sparq)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input, ``(*num_vectors, channels)``."""
        return (*self.num_vectors, self.channels)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output in words."""
        return (*self.num_vectors, words_of(self.sparq, self.channels))

    def cycles(self) -> int:
        """Return clock cycles per frame: SIMD activations of one vector per cycle."""
        return self.channels // self.simd * prod(self.num_vectors)


@dataclass(frozen=True, kw_only=True)
class SparqMvauParams(MvauParams):
    """A matrix of MW x MH weights applied to a stream of vectors in SPARQ's code.

    SIMD counts activations, two of which share an 8-bit multiplier where they come in pairs; all else is as in
    `MvauParams`, whose ``input_type`` is that of an activation.

    Attributes, besides those of the MVAU:
        sparq: Windows, rounding, pairs.

    Raises:
        HwGraphError: SIMD or PE divides nothing, or SIMD parts a pair.
    """

    sparq: SparqFormat

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_pairs(self.name, self.sparq, self.simd)

    @classmethod
    def from_reader(cls, reader: NodeReader) -> SparqMvauParams:
        """Read the node; its products are in LUTs, whatever it asks for."""
        plain = MvauParams.from_reader(reader)
        values = {name: getattr(plain, name) for name in MvauParams.__dataclass_fields__}
        return cls(sparq=_format(reader), **values | {"dsp": False})

    @property
    def smallest_simd(self) -> int:
        """The fewest activations per cycle."""
        return smallest_simd(self.sparq)

    @property
    def input_words(self) -> int:
        """Words of the code that come in a cycle."""
        return words_of(self.sparq, self.simd)

    @property
    def stream_type(self) -> BaseDataType:
        """Data type of a word."""
        return code_type(self.sparq)

    @property
    def multipliers(self) -> int:
        """8-bit multipliers that its products stand for, PE * SIMD / 2 with pairs."""
        return self.pe * self.input_words

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input in words."""
        return (*self.num_vectors, words_of(self.sparq, self.mw))


def _format(reader: NodeReader) -> SparqFormat:
    bits, shifts = reader.integer("bits"), reader.integers("shifts")
    overflow = reader.text("overflow", "saturate")
    try:
        return SparqFormat(
            bits=bits,
            shifts=shifts,
            rounding=bool(reader.integer("rounding", 1)),
            overflow="carry" if overflow == "carry" else "saturate",
            pairs=bool(reader.integer("pairs", 1)),
        )
    except ValueError as error:
        raise HwGraphError(f"{reader.node.op_type} {reader.name!r}: {error}") from error


def _require_pairs(layer: str, sparq: SparqFormat, simd: int) -> None:
    if sparq.pairs and simd % 2:
        raise HwGraphError(
            f"Layer {layer!r}: expected an even SIMD, found {simd}: both activations of a pair come in the same cycle. "
            "Choose an even divisor, or a format without pairs."
        )
