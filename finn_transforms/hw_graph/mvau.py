"""The matrix-vector unit (MVAU)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from qonnx.core.datatype import BaseDataType

from finn_transforms.hw_graph.attributes import ImplStyle, NodeReader, require_divisor


@dataclass(frozen=True, kw_only=True)
class MvauParams:
    """A matrix of MW x MH weights applied to a stream of vectors, SIMD inputs and PE outputs at a time.

    Attributes:
        name: Name of the node.
        mw: Length of the input vector (matrix width), K of the dot product.
        mh: Number of outputs (matrix height).
        simd: Inputs per cycle; divides `mw`.
        pe: Outputs per cycle; divides `mh`.
        input_type: Data type of the inputs.
        weight_type: Data type of the weights.
        accumulator_type: Data type of the accumulator, P bits.
        output_type: Data type of the outputs; the accumulator's unless the layer has thresholds.
        num_vectors: Leading dimensions of the input, e.g. (1, 30, 30) for a convolution.
        threshold_steps: Thresholds per channel inside the layer, 0 where it has none (``noActivation``).
        mem_mode: Where the weights are kept, FINN's ``mem_mode``.
        ram_style: Memory they are kept in: ``auto``, ``block``, ``distributed`` or ``ultra``.
        tiling: FINN's ``TH``; multiplies the cycles.
        style: ``hls`` or ``rtl`` once specialized, else empty.
        dsp: Whether the products are computed in DSP slices: ``resType`` says ``dsp``, or the RTL variant is used,
            which FINN builds on DSP slices only.

    Raises:
        HwGraphError: SIMD or PE divides nothing.
    """

    name: str
    mw: int
    mh: int
    simd: int
    pe: int
    input_type: BaseDataType
    weight_type: BaseDataType
    accumulator_type: BaseDataType
    output_type: BaseDataType
    num_vectors: tuple[int, ...] = (1,)
    threshold_steps: int = 0
    mem_mode: str = "internal_decoupled"
    ram_style: str = "auto"
    tiling: int = 1
    style: ImplStyle = ""
    dsp: bool = False

    def __post_init__(self) -> None:
        require_divisor(self.name, ("SIMD", self.simd), ("MW", self.mw))
        require_divisor(self.name, ("PE", self.pe), ("MH", self.mh))

    @classmethod
    def from_reader(cls, reader: NodeReader) -> MvauParams:
        """Read the node."""
        return cls(
            name=reader.name,
            mw=reader.integer("MW"),
            mh=reader.integer("MH"),
            simd=reader.integer("SIMD"),
            pe=reader.integer("PE"),
            input_type=reader.data_type("inputDataType"),
            weight_type=reader.data_type("weightDataType"),
            accumulator_type=reader.data_type("accDataType", "INT32"),
            output_type=reader.data_type("outputDataType"),
            num_vectors=reader.integers("numInputVectors", default=(1,)),
            threshold_steps=reader.threshold_steps(),
            mem_mode=reader.text("mem_mode", "internal_decoupled"),
            ram_style=reader.text("ram_style", "auto"),
            tiling=reader.integer("TH", 1),
            style=reader.style,
            dsp=reader.style == "rtl" or reader.text("resType", "auto") == "dsp",
        )

    @property
    def accumulator_bits(self) -> int:
        """P."""
        return int(self.accumulator_type.bitwidth())

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
