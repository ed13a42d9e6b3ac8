"""A unit that is reset in the middle of a frame before it gets to work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from finn_transforms.rtl import RtlUnit, Stream
from finn_transforms.rtl.streams import Integers


@dataclass(frozen=True, kw_only=True, eq=False)
class Restarted(RtlUnit):
    """Feeds noise into a unit for some clock cycles, resets it for two, and then leaves it to its streams.

    Attributes:
        name: Name of the top module.
        unit: What is reset.
        after: Clock cycles of noise.
    """

    name: str
    unit: RtlUnit
    after: int

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return self.unit.inputs

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return self.unit.outputs

    @property
    def foreign(self) -> tuple[str, ...]:
        return tuple(getattr(self.unit, "foreign", ()))

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        return self.unit.golden(*inputs)

    def cycles(self) -> int:
        return self.unit.cycles()

    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        return self.unit.needs(output)

    def sources(self) -> Mapping[str, str]:
        ports = ["input wire ap_clk", "input wire ap_rst_n"]
        pins = [".ap_clk(ap_clk)", ".ap_rst_n(ap_rst_n && (noisy || running))"]
        body = []
        for streams, forth, back in ((self.inputs, "input", "output"), (self.outputs, "output", "input")):
            for stream in streams:
                n, top = stream.name, stream.tdata_bits - 1
                ports += [f"{forth} wire [{top}:0] {n}_tdata", f"{forth} wire {n}_tvalid", f"{back} wire {n}_tready"]
                pins += [f".{n}_t{signal}({n}_{signal})" for signal in ("data", "valid", "ready")]
                body += [f"wire [{top}:0] {n}_data;", f"wire {n}_valid, {n}_ready;"]
                body += self._input(stream) if forth == "input" else self._output(n)
        text = f"""module {self.name} (
    {", ".join(ports)}
);
    logic [15:0] age;
    wire noisy = age < 16'd{self.after};
    wire running = age == 16'd{self.after + 2};
    always_ff @(posedge ap_clk) if (!ap_rst_n) age <= '0; else if (!running) age <= age + 16'd1;
    {chr(10).join(body)}
    {self.unit.name} inner ({", ".join(pins)});
endmodule
"""
        return {**self.unit.sources(), f"{self.name}.sv": text}

    @staticmethod
    def _input(stream: Stream) -> list[str]:
        n, copies = stream.name, -(-stream.tdata_bits // 32)
        rest = copies * 32 - stream.tdata_bits
        return [
            f"logic [31:0] {n}_noise;",
            f"wire [{copies * 32 - 1}:0] {n}_many = {{{copies}{{{n}_noise}}}};",
            f"wire {n}_unused = &{{1'b0, {n}_many[{copies * 32 - 1}:{copies * 32 - max(rest, 1)}]}};",
            f"always_ff @(posedge ap_clk) if (!ap_rst_n) {n}_noise <= 32'h9e3779b9; "
            f"else if ({n}_ready) {n}_noise <= {{{n}_noise[30:0], {n}_noise[31] ^ {n}_noise[21] ^ {n}_noise[1]}};",
            f"assign {n}_data = noisy ? {n}_many[{stream.tdata_bits - 1}:0] : {n}_tdata;",
            f"assign {n}_valid = noisy || (running && {n}_tvalid);",
            f"assign {n}_tready = running && {n}_ready;",
        ]

    @staticmethod
    def _output(n: str) -> list[str]:
        return [
            f"assign {n}_tdata = {n}_data;",
            f"assign {n}_tvalid = running && {n}_valid;",
            f"assign {n}_ready = noisy ? age[0] || age[3] : running && {n}_tready;",
        ]
