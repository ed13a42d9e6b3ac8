"""FINN's ``fmpadding`` as a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent, indent

import numpy as np

from finn_transforms.hw_graph import PaddingParams
from finn_transforms.ops.hardware import fm_padding
from finn_transforms.rtl.finn_library.generate import library_file
from finn_transforms.rtl.finn_library.wrapper import wrap
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit


@dataclass(frozen=True, kw_only=True)
class FinnPadding(RtlUnit):
    """Surrounds images with zeros, in FINN's ``fmpadding.sv``, without the registers that change sizes at run time.

    Attributes:
        name: Name of the top module.
        layer: The layer.
    """

    name: str
    layer: PaddingParams

    def __post_init__(self) -> None:
        if not self.layer.data_type.allowed(0):
            raise ValueError(
                f"padding {self.name}: expected a data type that holds 0, found {self.layer.data_type}; "
                "the compiler gives padded signs the type TERNARY"
            )

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The pixels, SIMD channels per beat."""
        height, width = self.layer.image
        return (self._stream("in0_V", height * width),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The pixels with zeros around them."""
        height, width = self.layer.padded
        return (self._stream("out0_V", height * width),)

    def _stream(self, name: str, pixels: int) -> Stream:
        layer = self.layer
        beats = layer.batch * pixels * layer.channels // layer.simd
        return Stream(name=name, data_type=layer.data_type, elements=layer.simd, beats=beats)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the padded images, (frames, beats, SIMD)."""
        (images,) = inputs
        layer = self.layer
        padded = fm_padding({"Padding": layer.padding}, images.reshape(-1, *layer.image, layer.channels))
        return (padded.reshape(images.shape[0], -1, layer.simd),)

    def cycles(self) -> int:
        """Return a cycle per beat of the output."""
        return self.layer.cycles()

    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        """Return the pixels up to each output beat; zeros in front of an image wait for nothing."""
        del output
        layer = self.layer
        inside = fm_padding({"Padding": layer.padding}, np.ones((layer.batch, *layer.image, 1), dtype=np.int64))
        return (np.cumsum(np.repeat(inside.reshape(-1), layer.channels // layer.simd)),)

    def sources(self) -> Mapping[str, str]:
        """Return the top module and FINN's ``fmpadding.sv``.

        Raises:
            FinnMissingError: FINN is not installed.
        """
        return {"fmpadding.sv": library_file("fmpadding/hdl/fmpadding.sv"), f"{self.name}.sv": self._top()}

    def _top(self) -> str:
        layer = self.layer
        (height, width), (padded_height, padded_width) = layer.image, layer.padded
        top, left, _, _ = layer.padding
        body = f"""\
            fmpadding #(
                .XCOUNTER_BITS({padded_width.bit_length()}), .YCOUNTER_BITS({padded_height.bit_length()}),
                .NUM_CHANNELS({layer.channels}), .SIMD({layer.simd}), .ELEM_BITS({layer.data_type.bitwidth()}),
                .INIT_XON({left}), .INIT_XOFF({left + width}), .INIT_XEND({padded_width - 1}),
                .INIT_YON({top}), .INIT_YOFF({top + height}), .INIT_YEND({padded_height - 1})
            ) padding (
                .ap_clk, .ap_rst_n,
                .we(1'b0), .wa('0), .wd('0),
                .s_axis_tready(in0_V_tready), .s_axis_tvalid(in0_V_tvalid), .s_axis_tdata(in0_V_tdata),
                .m_axis_tready(out0_V_tready), .m_axis_tvalid(out0_V_tvalid), .m_axis_tdata(out0_V_tdata)
            );
        """
        return wrap(self, indent(dedent(body), "    "))
