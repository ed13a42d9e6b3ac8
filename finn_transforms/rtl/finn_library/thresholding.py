"""FINN's binary-search thresholding as a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent, indent

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.datatype import BaseDataType, resolve_datatype
from qonnx.core.modelwrapper import ModelWrapper

from finn_transforms.hw_graph import ThresholdingParams
from finn_transforms.ops.hardware import thresholding
from finn_transforms.rtl.finn_library.generate import generated_files, rtl_node
from finn_transforms.rtl.finn_library.wrapper import wrap
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit


@dataclass(frozen=True, kw_only=True, eq=False)
class FinnThresholding(RtlUnit):
    """Counts the thresholds that each value reaches: one comparison per bit of the result, one after the other.

    Attributes:
        name: Name of the top module.
        layer: The layer.
        thresholds: Ascending integers, (C, steps), or (1, steps) for all channels.

    Raises:
        ValueError: the thresholds have another shape, descend, are too large or too few for FINN's generator, or their
            counts too low.
    """

    name: str
    layer: ThresholdingParams
    thresholds: Integers

    def __post_init__(self) -> None:
        layer, thresholds = self.layer, np.asarray(self.thresholds)
        expected = (1 if layer.shared else layer.channels, layer.steps)
        if thresholds.shape != expected:
            raise ValueError(
                f"thresholding {self.name}: expected thresholds {expected}, found {thresholds.shape}; "
                "pass the initializer of the layer"
            )
        if thresholds.size == layer.pe == 1:
            raise ValueError(
                f"thresholding {self.name}: expected at least 2 thresholds in all, found 1, whose address FINN gives a "
                "width of 0; use the unit Thresholding instead"
            )
        largest = layer.bias + layer.steps
        if largest < -1 and layer.output_type.name != "BIPOLAR":
            raise ValueError(
                f"thresholding {self.name}: expected a largest result of at least -1, found {largest}, "
                "for which FINN computes the width of a result without signs; use the unit Thresholding instead"
            )
        if np.any(thresholds[:, 1:] < thresholds[:, :-1]):
            raise ValueError(
                f"thresholding {self.name}: expected ascending thresholds, found others; sort each channel's"
            )
        if np.any(thresholds.astype(np.float32).astype(object) != thresholds.astype(object)):
            raise ValueError(
                f"thresholding {self.name}: expected thresholds that float32 holds, in which FINN writes them to its "
                f"memories, found {np.abs(thresholds).max()}; use the unit Thresholding instead"
            )

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The values, PE channels per beat."""
        return (self._stream("in0_V", self.layer.input_type),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The counts, PE channels per beat."""
        return (self._stream("out0_V", self.layer.output_type),)

    def _stream(self, name: str, data_type: BaseDataType) -> Stream:
        return Stream(name=name, data_type=data_type, elements=self.layer.pe, beats=self.layer.cycles())

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the counts, (frames, beats, PE)."""
        (values,) = inputs
        layer = self.layer
        attributes = {"outputDataType": layer.output_type.name, "ActVal": layer.bias}
        by_channel = values.reshape(-1, layer.channels)
        return (thresholding(attributes, by_channel, self.thresholds).reshape(values.shape),)

    def cycles(self) -> int:
        """Return a cycle per beat."""
        return self.layer.cycles()

    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        """Return one beat per beat."""
        del output
        return (np.arange(1, self.layer.cycles() + 1),)

    @property
    def stored_type(self) -> BaseDataType:
        """Data type of the thresholds in memory: the layer's, unless the hardware would misread them in it.

        FINN's RTL compares in the input's signedness, and cuts wider inputs down to the type of the thresholds: its
        lowest value then stands for all below it, and cannot be a threshold.
        """
        given, compared = self.layer.threshold_type, self.layer.input_type
        low, high = int(np.min(self._stored)), int(np.max(self._stored))
        signed, width = compared.signed(), int(compared.bitwidth())
        if signed == given.signed() and given.allowed(low) and given.allowed(high):
            if not signed or int(given.bitwidth()) >= width or low > int(given.min()):
                return given
        if not signed:
            return resolve_datatype(f"UINT{max(high.bit_length(), 1)}")
        bits = max(high.bit_length(), (-low - 1).bit_length()) + 1
        return resolve_datatype(f"INT{bits + int(bits < width and low == -(1 << (bits - 1)))}")

    @property
    def _stored(self) -> Integers:
        # What every unsigned input reaches, it reaches as 0 as well.
        return np.asarray(self.thresholds if self.layer.input_type.signed() else np.maximum(self.thresholds, 0))

    @property
    def _count_bias(self) -> int:
        return 0 if self.layer.output_type.name == "BIPOLAR" else self.layer.bias

    def sources(self) -> Mapping[str, str]:
        """Return the top module, what FINN's generator writes, its library modules, and the thresholds as data files.

        Raises:
            FinnMissingError: FINN is not installed.
        """
        return {**self._generated(f"{self.name}_finn"), f"{self.name}.sv": self._top()}

    def _generated(self, top: str) -> Mapping[str, str]:
        layer, stored = self.layer, self.stored_type
        node = rtl_node(
            "Thresholding_rtl",
            top,
            inputs=2,
            NumChannels=layer.channels,
            PE=layer.pe,
            numSteps=layer.steps,
            inputDataType=layer.input_type.name,
            weightDataType=stored.name,
            # FINN lays the memories out for as many stages as this type has bits: one per bit of the count.
            outputDataType=f"UINT{layer.steps.bit_length()}",
            numInputVectors=list(layer.num_vectors),
            ActVal=self._count_bias,
        )
        initializer = numpy_helper.from_array(self._stored.astype(np.float32), "in1")
        shape = [*layer.num_vectors, layer.channels]
        graph = helper.make_graph(
            [node],
            top,
            [helper.make_tensor_value_info("in0", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("out0", TensorProto.FLOAT, shape)],
            [initializer],
        )
        return generated_files(node, ModelWrapper(helper.make_model(graph)))

    def _top(self) -> str:
        (stream,) = self.outputs
        low, high = self._count_bias, self._count_bias + self.layer.steps
        # Bits of a result as FINN's RTL sends it; the stream's type may have more.
        bits = high.bit_length() if low >= 0 else max((-low - 1).bit_length(), max(high, 0).bit_length()) + 1
        carried = bits * stream.elements
        filled = -(-carried // 8) * 8
        fill = f"wire unused_fill = |result[{filled - 1}:{carried}];" if filled > carried else ""
        body = f"""\
            wire [{filled - 1}:0] result;
            {fill}
            // The registers for thresholds that change at run time, and the choice between sets of thresholds.
            // verilator lint_save
            // verilator lint_off PINMISSING
            {self.name}_finn core (
                .ap_clk, .ap_rst_n, {_UNUSED_PINS},
                .in0_V_TDATA(in0_V_tdata), .in0_V_TVALID(in0_V_tvalid), .in0_V_TREADY(in0_V_tready),
                .out0_V_TDATA(result), .out0_V_TVALID(out0_V_tvalid), .out0_V_TREADY(out0_V_tready)
            );
            // verilator lint_restore
            assign out0_V_tdata = {{{_extended(stream, bits, is_signed=low < 0)}}};
        """
        return wrap(self, indent(dedent(body), "    "))


_UNUSED_PINS = ", ".join(
    [
        *(f".s_axilite_{pin}('0)" for pin in ("AWVALID", "AWADDR", "WVALID", "WDATA", "WSTRB", "BREADY")),
        *(f".s_axilite_{pin}('0)" for pin in ("ARVALID", "ARADDR", "RREADY")),
        ".in1_V_TVALID('0), .in1_V_TDATA('0)",
    ]
)


def _extended(stream: Stream, bits: int, *, is_signed: bool) -> str:
    """Return ``tdata`` made of results of some bits each, the last element first."""
    more = stream.element_bits - bits
    parts = [f"{stream.tdata_bits - stream.bits}'d0"] if stream.tdata_bits > stream.bits else []
    for index in reversed(range(stream.elements)):
        top = (index + 1) * bits - 1
        sign = f"result[{top}]" if is_signed else "1'b0"
        if more:
            parts.append(f"{{{more}{{{sign}}}}}")
        parts.append(f"result[{top}:{index * bits}]")
    return ", ".join(parts)
