"""Mapped netlists of real units against their golden functions."""

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from qonnx.core.datatype import DataType

from finn_transforms.cost import SynthesisError
from finn_transforms.cost.gate_level import GateLevel, check_gates, gate_level
from finn_transforms.rtl import Duplicate, Fifo, RtlUnit, WidthConverter
from finn_transforms.sim import Stalls
from tests.support.verilog_units import Module

INT5 = DataType["INT5"]
UNITS: list[RtlUnit] = [
    Fifo(name="registers", data_type=INT5, elements=3, beats=10, depth=2),
    Fifo(name="memory", data_type=INT5, elements=3, beats=40, depth=33, ram_style="distributed"),
    WidthConverter(name="widen", data_type=INT5, elements_in=2, elements_out=6, elements=24),
    WidthConverter(name="narrow", data_type=INT5, elements_in=6, elements_out=4, elements=24),
    Duplicate(name="copy", data_type=INT5, elements=2, beats=10, copies=2),
]


def integers(unit: RtlUnit, frames: int = 3) -> list[NDArray[np.int64]]:
    """Return random integers over the whole range of the unit's inputs."""
    random = np.random.default_rng(0)
    types = [(stream, int(stream.data_type.min()), int(stream.data_type.max())) for stream in unit.inputs]
    return [random.integers(low, high + 1, (frames, stream.beats, stream.elements)) for stream, low, high in types]


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_gates_compute_what_their_units_promise(family: str) -> None:
    assert check_gates([(unit, integers(unit)) for unit in UNITS], family, stalls=Stalls()) == []


def test_a_wrong_gate_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(unit: RtlUnit, *_: object, **__: object) -> GateLevel:
        right = gate_level(unit, "xc7")
        swapped = re.sub(r"(in0_V_tdata\[)([01])\]", lambda found: f"{found[1]}{1 - int(found[2])}]", right.netlist)
        assert swapped != right.netlist
        return replace(right, netlist=swapped)

    monkeypatch.setattr("finn_transforms.cost.gate_level.gate_level", damaged)
    unit = UNITS[-1]
    inputs = integers(unit)
    inputs[0][0, 0, 0] = 1
    found = check_gates([(unit, inputs)], "xc7")
    assert [(each.unit, each.output, each.position, each.expected, each.found) for each in found] == [
        ("copy", output, (0, 0, 0), 1, 2) for output in (0, 1)
    ]


def test_primitives_without_a_model_are_refused() -> None:
    with pytest.raises(
        SynthesisError, match="unit_under_test: expected primitives with a simulation model, found RAMB"
    ):
        gate_level(Module(kind="block_memory"), "xc7")
