"""The vector-vector unit (VVAU) of a depthwise convolution."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from qonnx.core.datatype import BaseDataType

from finn_transforms.hw_graph.attributes import ImplStyle, NodeReader, require_divisor


@dataclass(frozen=True, kw_only=True)
class VvauParams:
    """One kernel per channel applied to windows, PE channels and SIMD pixels of the window at a time.

    Attributes:
        name: Name of the node.
        channels: Channels C.
        kernel: KH, KW.
        image: OH, OW, the windows.
        simd: Pixels of the window per cycle; divides KH * KW.
        pe: Channels per cycle; divides `channels`, and equals SIMD of the window generator in front.
        input_type: Data type of the inputs.
        weight_type: Data type of the weights.
        accumulator_type: Data type of the accumulator, P bits.
        output_type: Data type of the outputs; the accumulator's unless the layer has thresholds.
        threshold_steps: Thresholds per channel inside the layer, 0 where it has none (``noActivation``).
        mem_mode: Where the weights are kept, FINN's ``mem_mode``.
        ram_style: Memory they are kept in: ``auto``, ``block``, ``distributed`` or ``ultra``.
        style: ``hls`` or ``rtl`` once specialized, else empty.
        dsp: Whether the products are computed in DSP slices: ``resType`` says ``dsp``, or the RTL variant is used.

    Raises:
        HwGraphError: SIMD or PE divides nothing.
    """

    name: str
    channels: int
    kernel: tuple[int, int]
    image: tuple[int, int]
    simd: int
    pe: int
    input_type: BaseDataType
    weight_type: BaseDataType
    accumulator_type: BaseDataType
    output_type: BaseDataType
    threshold_steps: int = 0
    mem_mode: str = "internal_decoupled"
    ram_style: str = "auto"
    style: ImplStyle = ""
    dsp: bool = False

    def __post_init__(self) -> None:
        require_divisor(self.name, ("SIMD", self.simd), ("Kernel", self.length))
        require_divisor(self.name, ("PE", self.pe), ("Channels", self.channels))

    @classmethod
    def from_reader(cls, reader: NodeReader) -> VvauParams:
        """Read the node."""
        return cls(
            name=reader.name,
            channels=reader.integer("Channels"),
            kernel=reader.pair("Kernel"),
            image=reader.pair("Dim"),
            simd=reader.integer("SIMD", 1),
            pe=reader.integer("PE"),
            input_type=reader.data_type("inputDataType"),
            weight_type=reader.data_type("weightDataType"),
            accumulator_type=reader.data_type("accDataType", "INT32"),
            output_type=reader.data_type("outputDataType"),
            threshold_steps=reader.threshold_steps(),
            mem_mode=reader.text("mem_mode", "internal_decoupled"),
            ram_style=reader.text("ram_style", "auto"),
            style=reader.style,
            dsp=reader.style == "rtl" or reader.text("resType", "auto") == "dsp",
        )

    @property
    def accumulator_bits(self) -> int:
        """P."""
        return int(self.accumulator_type.bitwidth())

    @property
    def length(self) -> int:
        """Products of one output, K = KH * KW."""
        return self.kernel[0] * self.kernel[1]

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of the input, (1, OH, OW, KH * KW * C)."""
        return (1, *self.image, self.length * self.channels)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """Shape of the output, (1, OH, OW, C)."""
        return (1, *self.image, self.channels)

    def cycles(self) -> int:
        """Return clock cycles per frame: PE * SIMD products per cycle."""
        return self.channels * self.length // (self.pe * self.simd) * prod(self.image)
