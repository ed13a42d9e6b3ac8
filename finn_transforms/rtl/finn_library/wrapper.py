"""The top module around one of FINN's: our names of the stream signals."""

from __future__ import annotations

from finn_transforms.rtl.streams import Stream
from finn_transforms.rtl.unit import RtlUnit


def wrap(unit: RtlUnit, body: str) -> str:
    """Return module ``unit.name`` with the ports of the unit's streams around some text.

    Args:
        unit: whose streams become ports.
        body: instances and assignments, indented.
    """
    ports = ["input logic ap_clk", "input logic ap_rst_n"]
    for stream in unit.inputs:
        ports += _ports(stream, forward="input", backward="output")
    for stream in unit.outputs:
        ports += _ports(stream, forward="output", backward="input")
    listed = ",\n".join(f"    {port}" for port in ports)
    return f"`default_nettype none\nmodule {unit.name} (\n{listed}\n);\n{body}endmodule\n`default_nettype wire\n"


def _ports(stream: Stream, *, forward: str, backward: str) -> list[str]:
    return [
        f"{forward} logic [{stream.tdata_bits - 1}:0] {stream.name}_tdata",
        f"{forward} logic {stream.name}_tvalid",
        f"{backward} logic {stream.name}_tready",
    ]
