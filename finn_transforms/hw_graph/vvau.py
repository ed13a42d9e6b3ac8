"""The vector-vector unit (VVAU) of a depthwise convolution."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from finn_transforms.hw_graph.attributes import NodeReader, require_divisor
from finn_transforms.hw_graph.unit import UnitParams


@dataclass(frozen=True, kw_only=True)
class VvauParams(UnitParams):
    """One kernel per channel applied to windows, PE channels and SIMD pixels of the window at a time.

    Attributes, besides those of every unit:
        channels: Channels C; a multiple of PE, which equals SIMD of the window generator in front.
        kernel: KH, KW; SIMD divides KH * KW.
        image: OH, OW, the windows.

    Raises:
        HwGraphError: SIMD or PE divides nothing.
    """

    channels: int
    kernel: tuple[int, int]
    image: tuple[int, int]

    def __post_init__(self) -> None:
        require_divisor(self.name, ("SIMD", self.simd), ("Kernel", self.length))
        require_divisor(self.name, ("PE", self.pe), ("Channels", self.channels))

    @classmethod
    def from_reader(cls, reader: NodeReader) -> VvauParams:
        """Read the node."""
        return cls(
            channels=reader.integer("Channels"),
            kernel=reader.pair("Kernel"),
            image=reader.pair("Dim"),
            **cls.fields(reader),
        )

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
