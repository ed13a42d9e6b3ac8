"""The stand-alone activation (Thresholding)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from qonnx.core.datatype import BaseDataType

from finn_transforms.hw_graph.attributes import ImplStyle, NodeReader, require_divisor


@dataclass(frozen=True, kw_only=True)
class ThresholdingParams:
    """Counts, per channel, the thresholds that a value reaches; PE channels at a time.

    Attributes:
        name: Name of the node.
        channels: Number of channels.
        pe: Channels per cycle; divides `channels`.
        steps: Thresholds per channel, 2^N - 1 for an N-bit output.
        input_type: Data type of the inputs: for the activation of a dot product, of its accumulator.
        threshold_type: Data type of the thresholds.
        output_type: Data type of the outputs.
        num_vectors: Leading dimensions of the input, e.g. (1, 30, 30).
        shared: Whether all channels share one row of thresholds.
        bias: Added to the count, FINN's ``ActVal``.
        ram_style: Memory of the thresholds: ``auto``, ``block`` or ``distributed``.
        style: ``hls`` or ``rtl`` once specialized, else empty.

    Raises:
        HwGraphError: PE does not divide the channels.
    """

    name: str
    channels: int
    pe: int
    steps: int
    input_type: BaseDataType
    threshold_type: BaseDataType
    output_type: BaseDataType
    num_vectors: tuple[int, ...] = (1,)
    shared: bool = False
    bias: int = 0
    ram_style: str = "auto"
    style: ImplStyle = ""

    def __post_init__(self) -> None:
        require_divisor(self.name, ("PE", self.pe), ("NumChannels", self.channels))

    @classmethod
    def from_reader(cls, reader: NodeReader) -> ThresholdingParams:
        """Read the node."""
        thresholds = reader.node.inputs[1] if len(reader.node.inputs) > 1 else None
        shape = None if thresholds is None else thresholds.shape
        return cls(
            name=reader.name,
            channels=reader.integer("NumChannels"),
            pe=reader.integer("PE"),
            steps=reader.integer("numSteps"),
            input_type=reader.data_type("inputDataType"),
            threshold_type=reader.data_type("weightDataType"),
            output_type=reader.data_type("outputDataType"),
            num_vectors=reader.integers("numInputVectors", default=(1,)),
            shared=shape is not None and int(shape.numpy()[0]) == 1,
            bias=reader.integer("ActVal", 0),
            ram_style=reader.text("ram_style", "auto"),
            style=reader.style,
        )

    @property
    def compared_bits(self) -> int:
        """Width of the comparison: inputs and thresholds are brought to the wider of the two."""
        return max(int(self.input_type.bitwidth()), int(self.threshold_type.bitwidth()))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input, ``(*num_vectors, channels)``."""
        return (*self.num_vectors, self.channels)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output, the input's."""
        return self.input_shape

    def cycles(self) -> int:
        """Return clock cycles per frame: PE channels of one vector per cycle."""
        return self.channels // self.pe * prod(self.num_vectors)
