"""The module that FINN instantiates: its names of the stream signals, and what Vivado infers interfaces from."""

from __future__ import annotations

from finn_transforms.rtl import RtlUnit, Stream

_CLOCK = "xilinx.com:signal:clock:1.0 ap_clk CLK"


def finn_top(name: str, unit: RtlUnit) -> str:
    """Return Verilog of module `name` around a unit, with ports such as ``in0_V_TDATA``.

    Plain Verilog, since Vivado's block designs take no SystemVerilog module by reference.
    """
    streams = (*unit.inputs, *unit.outputs)
    interfaces = ":".join(stream.name for stream in streams)
    ports = [
        f'(* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF {interfaces}, ASSOCIATED_RESET ap_rst_n" *)\n'
        f'    (* X_INTERFACE_INFO = "{_CLOCK}" *)\n    input wire ap_clk',
        '(* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)\n    input wire ap_rst_n',
        *(port for stream in unit.inputs for port in _ports(stream, "input", "output")),
        *(port for stream in unit.outputs for port in _ports(stream, "output", "input")),
    ]
    pins = [".ap_clk(ap_clk)", ".ap_rst_n(ap_rst_n)"]
    pins += [
        f".{stream.name}_{part}({stream.name}_{part.upper()})"
        for stream in streams
        for part in ("tdata", "tvalid", "tready")
    ]
    declared, connected = ",\n    ".join(ports), ",\n        ".join(pins)
    return f"module {name} (\n    {declared}\n);\n    {unit.name} unit (\n        {connected}\n    );\nendmodule\n"


def _ports(stream: Stream, forth: str, back: str) -> list[str]:
    return [
        f"{forth} wire [{stream.tdata_bits - 1}:0] {stream.name}_TDATA",
        f"{forth} wire {stream.name}_TVALID",
        f"{back} wire {stream.name}_TREADY",
    ]
