"""Every pixel as a block of equal pixels (FINN's UpsampleNearestNeighbour)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_transforms.ops.hardware import upsample_nearest_neighbour
from finn_transforms.rtl.fifo import RamStyle, ram_style
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, instance, module, one_to_one


@dataclass(frozen=True, kw_only=True)
class Upsample(RtlUnit):
    """Repeats pixels and lines from a memory of one line; the next line comes while the last repetition leaves.

    Without repeated lines the memory holds two pixels.  Outputs are registered; tready does not pass through.

    Attributes:
        name: Name of the top module.
        image: H, W of the input.
        factors: Repetitions of a line and of a pixel.
        channels: Channels C.
        simd: Channels per beat, a divisor of C.
        data_type: Data type of an element.
        ram_style: ``distributed``, ``block`` or ``auto``, as for a `Fifo`.

    Raises:
        ValueError: SIMD does not divide C, or nothing is repeated.
    """

    name: str
    image: tuple[int, int]
    factors: tuple[int, int]
    channels: int
    simd: int
    data_type: BaseDataType
    ram_style: RamStyle = "auto"

    def __post_init__(self) -> None:
        if self.channels % self.simd:
            raise ValueError(
                f"{self.name}: expected SIMD that divides {self.channels} channels, found {self.simd}; choose a divisor"
            )
        if min(self.factors) < 1 or max(self.factors) < 2:
            raise ValueError(f"{self.name}: expected factors, one of them above 1, found {self.factors}; leave it out")

    @property
    def folds(self) -> int:
        """Beats per pixel."""
        return self.channels // self.simd

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The image."""
        return (self._stream("in0_V", self.image[0] * self.image[1]),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The larger image."""
        return (self._stream("out0_V", self.image[0] * self.image[1] * self.factors[0] * self.factors[1]),)

    @property
    def words(self) -> int:
        """Words of the memory: a line, or two pixels where what is repeated is pixels."""
        return self.folds * self._loops[0]

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the larger image."""
        (height, width), (down, across) = self.image, self.factors
        image = np.asarray(inputs[0]).reshape(-1, height, width, self.channels)
        attributes = {"HI": height, "WI": width, "HO": height * down, "WO": width * across}
        return (upsample_nearest_neighbour(attributes, image).reshape(-1, self.outputs[0].beats, self.simd),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, and the memory with its counters."""
        bits = self.inputs[0].bits
        line, rows, columns = self._loops
        parameters: dict[str, int | str] = {
            "WIDTH": bits,
            "FOLDS": self.folds,
            "LINE": line,
            "ROWS": rows,
            "COLUMNS": columns,
            "RAM_STYLE": f'"{ram_style(self.ram_style, self.words, bits)}"',
        }
        body = instance("bfx_upsample", parameters, one_to_one())
        return files_of(self.name, module(self, [body]), ["bfx_upsample.sv", "bfx_counter.sv", "bfx_ring.sv"])

    def cycles(self) -> int:
        """Return a cycle per beat that goes out."""
        return self.outputs[0].beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return the place of each beat in the input, or what came before it in the same line."""
        places = np.arange(1, self.inputs[0].beats + 1).reshape(1, *self.image, self.folds)
        (height, width), (down, across) = self.image, self.factors
        attributes = {"HI": height, "WI": width, "HO": height * down, "WO": width * across}
        return (np.maximum.accumulate(upsample_nearest_neighbour(attributes, places).ravel()),)

    @property
    def _loops(self) -> tuple[int, int, int]:
        """Pixels that are held, how often they are sent, how often each of them in a row.

        Where each pixel is sent once, so often in a row, two are enough, and need not be of the same line.
        """
        (_, width), (down, across) = self.image, self.factors
        return (width, down, across) if down > 1 and width > 1 else (2, 1, down * across)

    def _stream(self, name: str, pixels: int) -> Stream:
        return Stream(name=name, data_type=self.data_type, elements=self.simd, beats=pixels * self.folds)
