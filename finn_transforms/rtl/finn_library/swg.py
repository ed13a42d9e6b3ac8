"""FINN's sliding window generator as a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from textwrap import dedent, indent

import numpy as np

from finn_transforms.hw_graph import SwgParams
from finn_transforms.rtl.finn_library.generate import generated_files, rtl_node
from finn_transforms.rtl.finn_library.swg_schedule import in_stream_order, interval, last_inputs, windows_of
from finn_transforms.rtl.finn_library.wrapper import wrap
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit


@dataclass(frozen=True, kw_only=True)
class FinnSwg(RtlUnit):
    """Turns images into windows, in the RTL that FINN's own generator writes.

    It holds the window in registers with line buffers between them (``parallel_window`` or a 1 x 1 window), or in one
    addressed buffer.  Order of the output: all channels of a window's pixel, then its next pixel; where the layer is
    depthwise, all pixels of SIMD channels, then the next SIMD channels.

    Attributes:
        name: Name of the top module.
        layer: The layer.

    Raises:
        ValueError: FINN's generator cannot build the layer, or builds it wrong.
    """

    name: str
    layer: SwgParams

    def __post_init__(self) -> None:
        refusal = self.layer.refusal
        if refusal is not None:
            raise ValueError(f"{self.name}: FINN's window generator expects {refusal}")

    @property
    def window(self) -> int:
        """Pixels of a window, KH * KW."""
        return self.layer.kernel[0] * self.layer.kernel[1]

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The pixels, SIMD channels per beat."""
        height, width = self.layer.image
        return (self._stream("in0_V", self.layer.simd, height * width * self.layer.channel_fold),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The windows, SIMD channels of one pixel per beat, or of all pixels of the window."""
        layer = self.layer
        pixels, beats = (self.window, 1) if layer.registers_window else (1, self.window)
        windows = layer.output[0] * layer.output[1]
        return (self._stream("out0_V", layer.simd * pixels, windows * layer.channel_fold * beats),)

    def _stream(self, name: str, elements: int, beats: int) -> Stream:
        return Stream(name=name, data_type=self.layer.data_type, elements=elements, beats=beats)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the windows in the order of the stream."""
        (images,) = inputs
        layer, (stream,) = self.layer, self.outputs
        windows = windows_of(layer, images.reshape(-1, *layer.image, layer.channels))
        return (in_stream_order(layer, windows).reshape(images.shape[0], stream.beats, stream.elements),)

    def cycles(self) -> int:
        """Return the exact interval between frames, counted as the generator counts.

        FINN's formula, that of the layer, is an estimate: off by a cycle or two where the window is in registers, and
        by up to the time in which the first window arrives where it is in an addressed buffer.
        """
        return interval(self.layer)

    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        """Return how far each beat reaches: to its own pixel, or to the last of its window."""
        del output
        return (np.maximum.accumulate(last_inputs(self.layer)) + 1,)

    def sources(self) -> Mapping[str, str]:
        """Return the top module, what FINN's generator writes, and the library modules that this uses.

        Raises:
            FinnMissingError: FINN is not installed.
        """
        body = f"""\
            {self.name}_finn generator (
                .ap_clk, .ap_rst_n,
                .in0_V_TDATA(in0_V_tdata), .in0_V_TVALID(in0_V_tvalid), .in0_V_TREADY(in0_V_tready),
                .out0_V_TDATA(out0_V_tdata), .out0_V_TVALID(out0_V_tvalid), .out0_V_TREADY(out0_V_tready)
            );
        """
        generated = _generated(f"{self.name}_finn", self.layer)
        return {**generated, f"{self.name}.sv": wrap(self, indent(dedent(body), "    "))}


@cache
def _generated(top: str, layer: SwgParams) -> Mapping[str, str]:
    node = rtl_node(
        "ConvolutionInputGenerator_rtl",
        top,
        ConvKernelDim=layer.kernel,
        IFMChannels=layer.channels,
        IFMDim=layer.image,
        OFMDim=layer.output,
        Stride=layer.stride,
        Dilation=layer.dilation,
        SIMD=layer.simd,
        inputDataType=layer.data_type.name,
        outputDataType=layer.data_type.name,
        depthwise=int(layer.depthwise),
        parallel_window=int(layer.parallel_window),
        ram_style=layer.ram_style,
    )
    return generated_files(node)
