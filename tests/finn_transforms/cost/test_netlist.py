"""Netlists read from the JSON that Yosys writes."""

import json
from pathlib import Path

import pytest

from finn_transforms.cost.netlist import read_netlist

MODULE = {
    "ports": {"a": {"direction": "input", "bits": [2, 3]}, "y": {"direction": "output", "bits": [4, "0"]}},
    "netnames": {
        "both_bits": {"hide_name": 0, "bits": [4, 3]},
        "and": {"hide_name": 0, "bits": [4]},
        "$1": {"hide_name": 1, "bits": [2]},
    },
    "cells": {
        "both": {
            "type": "LUT2",
            "parameters": {"INIT": "1000"},
            "port_directions": {"I0": "input", "I1": "input", "O": "output"},
            "connections": {"I0": [2], "I1": [3], "O": [4]},
        },
        "note": {"type": "$scopeinfo", "parameters": {}, "port_directions": {}, "connections": {}},
    },
}


def write(tmp_path: Path, module: dict[str, object]) -> Path:
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": module}}))
    return path


def test_drivers_and_readers_of_nets(tmp_path: Path) -> None:
    found = read_netlist(write(tmp_path, MODULE), "top")
    (cell,) = found.cells
    assert (cell.name, cell.type, cell.parameters, cell.input_nets) == ("both", "LUT2", {"INIT": "1000"}, {2, 3})
    assert found.driver[2] == (None, "a", 0)
    assert found.driver[4] == (cell, "O", 0)
    assert found.readers[4] == [(None, "y", 0)]
    assert found.readers[3] == [(cell, "I1", 0)]
    assert found.names == {4: "and", 3: "both_bits[1]"}
    assert found.title(cell) == "and"
    assert (found.count("LUT"), found.count("FD")) == (1, 0)


def test_cells_that_are_no_primitives_are_refused(tmp_path: Path) -> None:
    cell = {"type": "$add", "parameters": {}, "port_directions": {}, "connections": {}}
    with pytest.raises(ValueError, match=r"expected primitives of the device, found \['\$add'\]"):
        read_netlist(write(tmp_path, {**MODULE, "cells": {"sum": cell}}), "top")


def test_another_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a module 'other', found \['top'\]"):
        read_netlist(write(tmp_path, MODULE), "other")
