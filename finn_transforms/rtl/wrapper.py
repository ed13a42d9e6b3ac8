"""The module around a library module: FINN's ports outside, plain vectors inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from finn_transforms.rtl.streams import Stream
from finn_transforms.rtl.unit import RtlUnit, library_source


def module(unit: RtlUnit, body: Iterable[str]) -> str:
    """Return a module with FINN's ports of a unit and a body that sees plain signals.

    For each stream the body finds ``in0_data`` (the bits that carry elements), ``in0_valid`` and drives ``in0_ready``;
    it drives ``out0_data`` and ``out0_valid`` and finds ``out0_ready``. Bits that fill ``tdata`` up are 0.
    """
    ports = ["input wire ap_clk", "input wire ap_rst_n"]
    wires: list[str] = []
    for stream in unit.inputs:
        ports += _ports(stream, "input", "output")
        wires += _input_wires(stream)
    for stream in unit.outputs:
        ports += _ports(stream, "output", "input")
        wires += _output_wires(stream)
    declared = ",\n".join(f"    {port}" for port in ports)
    lines = "".join(f"    {line}\n" for line in (*wires, *body))
    return f"module {unit.name} (\n{declared}\n);\n{lines}endmodule\n"


def instance(
    library_module: str, parameters: Mapping[str, int | str], connections: Mapping[str, str], label: str = "core"
) -> str:
    """Return an instance of a library module, clock and reset connected; a text parameter is given as it stands."""
    values = ", ".join(f".{key}({value})" for key, value in parameters.items())
    wires = {"clk": "ap_clk", "rst_n": "ap_rst_n", **connections}
    pins = ", ".join(f".{key}({value})" for key, value in wires.items())
    return f"{library_module} #({values}) {label} ({pins});"


def one_to_one(prefixes: Sequence[str] = ("in", "out")) -> dict[str, str]:
    """Return the connections of a library module with one stream per prefix to the streams numbered 0."""
    return {f"{prefix}_{part}": f"{prefix}0_{part}" for prefix in prefixes for part in ("data", "valid", "ready")}


def gathered(prefix: str, count: int) -> dict[str, str]:
    """Return the connections of a module whose streams of one direction are bits and fields of one vector.

    Stream 0 is in the lowest bits.
    """
    return {
        f"{prefix}_{part}": "{" + ", ".join(f"{prefix}{index}_{part}" for index in reversed(range(count))) + "}"
        for part in ("data", "valid", "ready")
    }


def files_of(name: str, wrapper: str, library_files: Iterable[str]) -> dict[str, str]:
    """Return sources by file name: the wrapper, and modules of the library."""
    return {f"{name}.sv": wrapper, **{file: library_source(file) for file in library_files}}


def _ports(stream: Stream, forth: str, back: str) -> list[str]:
    return [
        f"{forth} wire [{stream.tdata_bits - 1}:0] {stream.name}_tdata",
        f"{forth} wire {stream.name}_tvalid",
        f"{back} wire {stream.name}_tready",
    ]


def _signals(stream: Stream) -> tuple[str, str]:
    short = stream.name.removesuffix("_V")
    return short, f"wire [{stream.bits - 1}:0] {short}_data"


def _input_wires(stream: Stream) -> list[str]:
    short, data = _signals(stream)
    lines = [
        f"{data} = {stream.name}_tdata[{stream.bits - 1}:0];",
        f"wire {short}_valid = {stream.name}_tvalid;",
        f"wire {short}_ready;",
        f"assign {stream.name}_tready = {short}_ready;",
    ]
    fill = stream.tdata_bits - stream.bits
    if fill:
        lines.append(
            f"wire [{fill - 1}:0] unused_{short} = {stream.name}_tdata[{stream.tdata_bits - 1}:{stream.bits}];"
        )
    return lines


def _output_wires(stream: Stream) -> list[str]:
    short, data = _signals(stream)
    fill = stream.tdata_bits - stream.bits
    return [
        f"{data};",
        f"wire {short}_valid;",
        f"wire {short}_ready = {stream.name}_tready;",
        f"assign {stream.name}_tdata = " + (f"{{{fill}'b0, {short}_data}};" if fill else f"{short}_data;"),
        f"assign {stream.name}_tvalid = {short}_valid;",
    ]
