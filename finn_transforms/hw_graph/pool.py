"""Pooling over windows (Pool), behind a depthwise sliding window generator."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from qonnx.core.datatype import BaseDataType

from finn_transforms.hw_graph.attributes import NodeReader, require_divisor


@dataclass(frozen=True, kw_only=True)
class PoolParams:
    """Reduces each window (KH * KW * C values) to one value per channel.

    Attributes:
        name: Name of the node.
        channels: Channels C.
        pe: Channels per cycle; divides `channels`, and equals SIMD of the window generator in front.
        kernel: KH, KW.
        function: ``MaxPool``, ``AvgPool``, ``AccPool`` or ``QuantAvgPool``.
        output: OH, OW.
        input_type: Data type of the inputs.
        output_type: Data type of the outputs.
        accumulator_bits: Width of the running sum; 0 for ``MaxPool``, which has none.
        batch: Images per frame.

    Raises:
        HwGraphError: PE does not divide the channels.
    """

    name: str
    channels: int
    pe: int
    kernel: tuple[int, ...]
    function: str
    output: tuple[int, ...]
    input_type: BaseDataType
    output_type: BaseDataType
    accumulator_bits: int = 0
    batch: int = 1

    def __post_init__(self) -> None:
        require_divisor(self.name, ("PE", self.pe), ("Channels", self.channels))

    @classmethod
    def from_reader(cls, reader: NodeReader) -> PoolParams:
        """Read the node."""
        return cls(
            name=reader.name,
            channels=reader.integer("Channels"),
            pe=reader.integer("PE", 1),
            kernel=reader.integers("KernelSize"),
            function=reader.text("Function"),
            output=reader.integers("OutImgDims"),
            input_type=reader.data_type("InputDataType"),
            output_type=reader.data_type("OutputDataType"),
            accumulator_bits=reader.integer("AccumBits", 0),
            batch=reader.integer("BatchSize", 1),
        )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input, (batch, OH, OW, KH * KW * C)."""
        return (self.batch, *self.output, prod(self.kernel) * self.channels)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output, (batch, OH, OW, C)."""
        return (self.batch, *self.output, self.channels)

    def cycles(self) -> int:
        """Return clock cycles per frame: PE values of a window per cycle."""
        return self.channels * prod(self.kernel) // self.pe * prod(self.output) * self.batch
