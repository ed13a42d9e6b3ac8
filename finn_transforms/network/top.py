"""The top module of a network: its units, and a wire for each signal of each link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finn_transforms.network.graph import OUTSIDE, Link, Port
from finn_transforms.rtl import Stream

if TYPE_CHECKING:
    from finn_transforms.network.graph import Network

_SIGNALS = (("tdata", "data"), ("tvalid", "valid"), ("tready", "ready"))


def top_module(network: Network) -> str:
    """Return the module as text; with ``tap<n>_tdata`` and ``tap<n>_tvalid`` per link where it is `tapped`.

    A tap is valid in the cycle in which its beat passes.
    """
    ports = ["input wire ap_clk", "input wire ap_rst_n"]
    for stream in network.inputs:
        ports += [_port("input", stream, "tdata"), _port("input", stream, "tvalid"), _port("output", stream, "tready")]
    for stream in network.outputs:
        ports += [_port("output", stream, "tdata"), _port("output", stream, "tvalid"), _port("input", stream, "tready")]
    for stream in network.taps:
        ports += [_port("output", stream, "tdata"), _port("output", stream, "tvalid")]
    body: list[str] = []
    number_from, number_to = {}, {}
    for number, link in enumerate(network.links):
        number_from[link.source], number_to[link.target] = number, number
        body += _wires(network, number, link)
    for index, unit in enumerate(network.units):
        pins = [".ap_clk(ap_clk)", ".ap_rst_n(ap_rst_n)"]
        for streams, numbers in ((unit.inputs, number_to), (unit.outputs, number_from)):
            for place, stream in enumerate(streams):
                number = numbers[Port(unit=index, stream=place)]
                pins += [f".{stream.name}_{pin}(link{number}_{signal})" for pin, signal in _SIGNALS]
        body.append(f"    {unit.name} unit{index} (\n        " + ",\n        ".join(pins) + "\n    );")
    return f"module {network.name} (\n    " + ",\n    ".join(ports) + "\n);\n" + "\n".join(body) + "\nendmodule\n"


def _port(direction: str, stream: Stream, signal: str) -> str:
    width = f"[{stream.tdata_bits - 1}:0] " if signal == "tdata" else ""
    return f"{direction} wire {width}{stream.name}_{signal}"


def _wires(network: Network, number: int, link: Link) -> list[str]:
    name = f"link{number}"
    lines = [
        f"    wire [{network.stream_of(link).tdata_bits - 1}:0] {name}_data;",
        f"    wire {name}_valid;",
        f"    wire {name}_ready;",
    ]
    if link.source.unit == OUTSIDE:
        outer = f"in{link.source.stream}_V"
        lines += [f"    assign {name}_data = {outer}_tdata;", f"    assign {name}_valid = {outer}_tvalid;"]
        lines.append(f"    assign {outer}_tready = {name}_ready;")
    if link.target.unit == OUTSIDE:
        outer = f"out{link.target.stream}_V"
        lines += [f"    assign {outer}_tdata = {name}_data;", f"    assign {outer}_tvalid = {name}_valid;"]
        lines.append(f"    assign {name}_ready = {outer}_tready;")
    if network.tapped:
        lines.append(f"    assign tap{number}_tdata = {name}_data;")
        lines.append(f"    assign tap{number}_tvalid = {name}_valid & {name}_ready;")
    return lines
