"""A unit small enough to see through: a register between two streams, and ways in which it can be wrong."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_transforms.rtl import RtlUnit, Stream
from finn_transforms.rtl.streams import Integers

# What replaces a part of the register to make it wrong.
FAULTS = {
    "drops": ("full <= full && !out0_V_tready", "full <= full && !out0_V_tready && in0_V_tdata[0]"),
    "changes": ("if (take) data <= in0_V_tdata;", "if (take || !full || in0_V_tdata[0]) data <= in0_V_tdata;"),
    "waits": ("assign out0_V_tvalid = full", "assign out0_V_tvalid = full & out0_V_tready"),
    "stops": ("(!full || out0_V_tready)", "(!full || out0_V_tready) && count != 8'd5"),
    "repeats": ("full && !out0_V_tready", "full && (!out0_V_tready || count[1:0] == 2'd1)"),
    "spills": ("assign out0_V_tdata = data", "assign out0_V_tdata = data | 16'h8000"),
    "warns": ("logic full;", "logic full; logic never;"),
}


@dataclass(frozen=True, kw_only=True)
class Register(RtlUnit):
    """One register; takes a beat whenever it is empty or its beat is taken."""

    name: str = "register"
    elements: int = 3
    beats: int = 4
    data_type: BaseDataType = DataType["INT5"]
    fault: str = ""

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream(name="in0_V", data_type=self.data_type, elements=self.elements, beats=self.beats),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (Stream(name="out0_V", data_type=self.data_type, elements=self.elements, beats=self.beats),)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        return inputs

    def sources(self) -> Mapping[str, str]:
        width = self.inputs[0].tdata_bits
        text = f"""module {self.name} (
    input  logic ap_clk,
    input  logic ap_rst_n,
    input  logic [{width - 1}:0] in0_V_tdata,
    input  logic in0_V_tvalid,
    output logic in0_V_tready,
    output logic [{width - 1}:0] out0_V_tdata,
    output logic out0_V_tvalid,
    input  logic out0_V_tready
);
    logic full;
    logic [{width - 1}:0] data;
    logic [7:0] count;
    wire take = in0_V_tvalid & in0_V_tready;
    assign in0_V_tready = (!full || out0_V_tready);
    assign out0_V_tvalid = full;
    assign out0_V_tdata = data;
    always_ff @(posedge ap_clk) begin
        if (take) data <= in0_V_tdata;
        if (!ap_rst_n) full <= 1'b0;
        else if (take) full <= 1'b1;
        else full <= full && !out0_V_tready;
        if (!ap_rst_n) count <= 8'd0;
        else if (take) count <= count + 8'd1;
    end
endmodule
"""
        if self.fault:
            old, new = FAULTS[self.fault]
            if old not in text:
                raise ValueError(f"{self.fault}: nothing to replace")
            text = text.replace(old, new)
        return {f"{self.name}.sv": text}

    def cycles(self) -> int:
        return self.beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        del output
        return (np.arange(1, self.beats + 1),)
