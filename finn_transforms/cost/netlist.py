"""A mapped netlist as Yosys writes it in JSON: cells, and who drives and reads each net."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

Net = int | str
"""A net's number, or a constant: ``0``, ``1``, ``x``, ``z``."""


class Pin(NamedTuple):
    """One bit of a port of a cell, or of the top module (`cell` is then None)."""

    cell: Cell | None
    port: str
    bit: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """An instance of a primitive; ports hold nets, lowest bit first."""

    name: str
    type: str
    parameters: Mapping[str, str]
    inputs: Mapping[str, tuple[Net, ...]]
    outputs: Mapping[str, tuple[Net, ...]]

    @cached_property
    def input_nets(self) -> frozenset[int]:
        """Nets it reads, constants left out."""
        return frozenset(net for nets in self.inputs.values() for net in nets if isinstance(net, int))


@dataclass(frozen=True, kw_only=True, eq=False)
class Netlist:
    """A flat module of primitives.

    Attributes:
        cells: Its cells.
        inputs: Nets of its input ports by port.
        outputs: Nets of its output ports by port.
        names: Names that the sources give to nets.
    """

    cells: tuple[Cell, ...]
    inputs: Mapping[str, tuple[Net, ...]]
    outputs: Mapping[str, tuple[Net, ...]]
    names: Mapping[Net, str] = field(default_factory=dict)

    @cached_property
    def types(self) -> Counter[str]:
        """How many cells there are of each type."""
        return Counter(cell.type for cell in self.cells)

    def count(self, prefix: str) -> int:
        """Return how many cells have a type that begins with `prefix`."""
        return sum(count for name, count in self.types.items() if name.startswith(prefix))

    def title(self, cell: Cell) -> str:
        """Return the name of the first named net that a cell drives, or else the cell's own."""
        driven = (net for nets in cell.outputs.values() for net in nets)
        return next((self.names[net] for net in driven if net in self.names), cell.name)

    @cached_property
    def driver(self) -> Mapping[Net, Pin]:
        """The output, or input port of the module, that drives a net."""
        pins = {net: Pin(None, port, at) for port, nets in self.inputs.items() for at, net in enumerate(nets)}
        for cell in self.cells:
            for port, nets in cell.outputs.items():
                pins.update({net: Pin(cell, port, at) for at, net in enumerate(nets)})
        return pins

    @cached_property
    def readers(self) -> Mapping[Net, list[Pin]]:
        """The inputs, and output ports of the module, that read a net."""
        pins: dict[Net, list[Pin]] = {}
        ports = [(None, self.outputs)] + [(cell, cell.inputs) for cell in self.cells]
        for cell, of in ports:
            for port, nets in of.items():
                for at, net in enumerate(nets):
                    pins.setdefault(net, []).append(Pin(cell, port, at))
        return pins


def read_netlist(path: Path, top: str) -> Netlist:
    """Return the flat module `top` of a file written by ``write_json``.

    Raises:
        ValueError: the file holds no such module, or the module still holds cells that are no primitives.
    """
    modules = json.loads(path.read_text(encoding="utf-8"))["modules"]
    if top not in modules:
        raise ValueError(f"{path}: expected a module {top!r}, found {sorted(modules)[:5]}; synthesise that module")
    module = modules[top]
    cells = tuple(_cell(name, data) for name, data in module["cells"].items() if data["type"] != "$scopeinfo")
    unmapped = sorted({cell.type for cell in cells if cell.type.startswith("$")})
    if unmapped:
        raise ValueError(f"{path}: expected primitives of the device, found {unmapped[:5]}; look into the log")
    ports = {
        direction: {
            name: tuple(port["bits"]) for name, port in module["ports"].items() if port["direction"] == direction
        }
        for direction in ("input", "output")
    }
    return Netlist(cells=cells, inputs=ports["input"], outputs=ports["output"], names=_names(module["netnames"]))


def _names(nets: Mapping[str, Any]) -> dict[Net, str]:
    """Return the shortest name of each net; those that Yosys made up are hidden."""
    names: dict[Net, str] = {}
    shown = {name: data["bits"] for name, data in nets.items() if not data["hide_name"]}
    for name, bits in sorted(shown.items(), key=lambda item: (len(item[0]), item[0])):
        for at, net in enumerate(bits):
            names.setdefault(net, name if len(bits) == 1 else f"{name}[{at}]")
    return names


def _cell(name: str, data: Mapping[str, Any]) -> Cell:
    directions = data["port_directions"]
    nets = {
        direction: {port: tuple(bits) for port, bits in data["connections"].items() if directions[port] == direction}
        for direction in ("input", "output")
    }
    return Cell(
        name=name, type=data["type"], parameters=data["parameters"], inputs=nets["input"], outputs=nets["output"]
    )
