"""The module and the C++ that put several units side by side into one Verilator model."""

from __future__ import annotations

from collections.abc import Sequence

from finn_transforms.rtl import RtlUnit, Stream

TOP = "bfx_bench"


def _input(name: str, bits: int = 1) -> str:
    return f"input wire {f'[{bits - 1}:0] ' if bits > 1 else ''}{name}"


def _output(name: str, bits: int = 1) -> str:
    return f"output wire {f'[{bits - 1}:0] ' if bits > 1 else ''}{name}"


def _stream_ports(unit: RtlUnit, index: int) -> tuple[list[str], list[str]]:
    ports, connections = [], [f".ap_clk(u{index}_clk)", f".ap_rst_n(u{index}_rst_n)"]
    sides: tuple[tuple[str, tuple[Stream, ...]], ...] = (("i", unit.inputs), ("o", unit.outputs))
    for side, streams in sides:
        forward, back = (_input, _output) if side == "i" else (_output, _input)
        for number, stream in enumerate(streams):
            prefix = f"u{index}_{side}{number}"
            ports += [
                forward(f"{prefix}_data", stream.tdata_bits),
                forward(f"{prefix}_valid"),
                back(f"{prefix}_ready"),
            ]
            connections += [f".{stream.name}_t{signal}({prefix}_{signal})" for signal in ("data", "valid", "ready")]
    for number, stream in enumerate(unit.taps):
        prefix = f"u{index}_t{number}"
        ports += [_output(f"{prefix}_data", stream.tdata_bits), _output(f"{prefix}_valid")]
        connections += [f".{stream.name}_t{signal}({prefix}_{signal})" for signal in ("data", "valid")]
    return ports, connections


def top_module(units: Sequence[RtlUnit]) -> str:
    """Return module `TOP`: every unit with a clock, a reset and streams of its own."""
    ports: list[str] = []
    body: list[str] = []
    for index, unit in enumerate(units):
        own, connections = _stream_ports(unit, index)
        ports += [_input(f"u{index}_clk"), _input(f"u{index}_rst_n"), *own]
        body.append(f"    {unit.name} u{index} (\n        " + ",\n        ".join(connections) + "\n    );")
    return f"module {TOP} (\n    " + ",\n    ".join(ports) + "\n);\n" + "\n".join(body) + "\nendmodule\n"


def bindings(units: Sequence[RtlUnit]) -> str:
    """Return the C++ that tells the bench where the streams of the units are."""
    lines = [f'#include "bench.h"\n#include "V{TOP}.h"\n', "Design design(VerilatedContext* context) {"]
    lines += [f"  V{TOP}& m = *new V{TOP}{{context}};  // lives as long as the process", "  return {{"]
    for index, unit in enumerate(units):
        u = f"m.u{index}"
        lines += [f'    {{"{unit.name}", [&](bool b) {{ {u}_clk = b; }}, [&](bool b) {{ {u}_rst_n = b; }}, {{']
        lines += [
            f'      {{"{stream.name}", {stream.tdata_bits}, [&](bool v, const uint32_t* w) {{ '
            f"{u}_i{number}_valid = v; load({u}_i{number}_data, w); }}, [&] {{ return {u}_i{number}_ready != 0; }}}},"
            for number, stream in enumerate(unit.inputs)
        ]
        lines += ["    }, {"]
        lines += [
            f'      {{"{stream.name}", {stream.tdata_bits}, [&](bool b) {{ {u}_o{number}_ready = b; }}, '
            f"[&] {{ return {u}_o{number}_valid != 0; }}, [&](uint32_t* w) {{ store({u}_o{number}_data, w); }}}},"
            for number, stream in enumerate(unit.outputs)
        ]
        lines += [
            f'      {{"{stream.name}", {stream.tdata_bits}, {{}}, [&] {{ return {u}_t{number}_valid != 0; }}, '
            f"[&](uint32_t* w) {{ store({u}_t{number}_data, w); }}}},"
            for number, stream in enumerate(unit.taps)
        ]
        lines += ["    }},"]
    return "\n".join([*lines, "  }, [&] { m.eval(); }, [&] { m.final(); }};", "}", ""])
