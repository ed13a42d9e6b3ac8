"""Zero padding of an image (FMPadding)."""

from __future__ import annotations

from dataclasses import dataclass

from qonnx.core.datatype import BaseDataType

from finn_transforms.hw_graph.attributes import NodeReader, require_divisor


@dataclass(frozen=True, kw_only=True)
class PaddingParams:
    """Surrounds an image (1, H, W, C) with zeros.

    Attributes:
        name: Name of the node.
        image: H, W of the image before padding.
        padding: Rows above, columns on the left, rows below, columns on the right (FINN's order).
        channels: Channels C.
        simd: Channels per cycle; divides `channels`.
        data_type: Data type of the pixels.
        batch: Images per frame, FINN's ``numInputVectors``.

    Raises:
        HwGraphError: SIMD does not divide the channels.
    """

    name: str
    image: tuple[int, int]
    padding: tuple[int, int, int, int]
    channels: int
    simd: int
    data_type: BaseDataType
    batch: int = 1

    def __post_init__(self) -> None:
        require_divisor(self.name, ("SIMD", self.simd), ("NumChannels", self.channels))

    @classmethod
    def from_reader(cls, reader: NodeReader) -> PaddingParams:
        """Read the node."""
        top, left, bottom, right = reader.integers("Padding", length=4)
        return cls(
            name=reader.name,
            image=reader.pair("ImgDim"),
            padding=(top, left, bottom, right),
            channels=reader.integer("NumChannels"),
            simd=reader.integer("SIMD"),
            data_type=reader.data_type("inputDataType"),
            batch=reader.integer("numInputVectors", 1),
        )

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the padded image."""
        top, left, bottom, right = self.padding
        return self.image[0] + top + bottom, self.image[1] + left + right

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of the input, (1, H, W, C)."""
        return (1, *self.image, self.channels)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """Shape of the output, (1, H + pads, W + pads, C)."""
        return (1, *self.padded, self.channels)

    def cycles(self) -> int:
        """Return clock cycles per frame: SIMD channels of one output pixel per cycle."""
        height, width = self.padded
        return self.channels // self.simd * self.batch * height * width
