"""Zeros between the pixels of an image (FINN's FMPadding_Pixel)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_transforms.ops.hardware import fm_padding_pixel
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, instance, module, one_to_one


@dataclass(frozen=True, kw_only=True)
class PixelPadding(RtlUnit):
    """Puts zeros between neighbours, for transposed convolutions; one register, tready passes through.

    Attributes:
        name: Name of the top module.
        image: H, W of the input.
        stride: From a pixel to the next one, vertically and horizontally, in the output.
        channels: Channels C.
        simd: Channels per beat, a divisor of C.
        data_type: Data type of an element, one that holds 0.

    Raises:
        ValueError: SIMD does not divide C, a stride is less than 1, or the type does not hold 0.
    """

    name: str
    image: tuple[int, int]
    stride: tuple[int, int]
    channels: int
    simd: int
    data_type: BaseDataType

    def __post_init__(self) -> None:
        if self.channels % self.simd:
            raise ValueError(
                f"{self.name}: expected SIMD that divides {self.channels} channels, found {self.simd}; choose a divisor"
            )
        if min(self.stride) < 1:
            raise ValueError(f"{self.name}: expected strides of at least 1, found {self.stride}; set them to 1 or more")
        if not self.data_type.allowed(0):
            raise ValueError(
                f"{self.name}: expected a type that holds 0, found {self.data_type}; annotate INT2 instead"
            )

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The image."""
        return (self._stream("in0_V", self.image),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The larger image."""
        rows, columns = ((size - 1) * step + 1 for size, step in zip(self.image, self.stride, strict=True))
        return (self._stream("out0_V", (rows, columns)),)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the larger image."""
        return (self._padded(np.asarray(inputs[0])).reshape(-1, self.outputs[0].beats, self.simd),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, and the counters."""
        parameters: dict[str, int | str] = {
            "WIDTH": self.inputs[0].bits,
            "FOLDS": self.channels // self.simd,
            "HEIGHT": self.image[0],
            "LINE": self.image[1],
            "DOWN": self.stride[0],
            "ACROSS": self.stride[1],
        }
        body = instance("bfx_pixel_padding", parameters, one_to_one())
        used = ["bfx_pixel_padding.sv", "bfx_stretch.sv", "bfx_counter.sv"]
        return files_of(self.name, module(self, [body]), used)

    def cycles(self) -> int:
        """Return a cycle per beat that goes out."""
        return self.outputs[0].beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return the pixels so far."""
        ones = np.ones((1, self.inputs[0].beats, self.simd), dtype=np.int64)
        return (np.cumsum(self._padded(ones).reshape(-1, self.simd)[:, 0]),)

    def _padded(self, values: Integers) -> Integers:
        image = values.reshape(-1, *self.image, self.channels)
        return fm_padding_pixel({"Stride": self.stride}, image)

    def _stream(self, name: str, image: tuple[int, int]) -> Stream:
        beats = image[0] * image[1] * self.channels // self.simd
        return Stream(name=name, data_type=self.data_type, elements=self.simd, beats=beats)
