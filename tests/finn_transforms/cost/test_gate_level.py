"""Mapped netlists of real units against their golden functions."""

import re
from dataclasses import replace

import pytest

from finn_transforms.cost import SynthesisError
from finn_transforms.cost.gate_level import GateLevel, check_gates, gate_level
from finn_transforms.rtl import RtlUnit
from finn_transforms.sim import Stalls
from tests.support.gate_units import UNITS
from tests.support.rtl_checks import inputs_of
from tests.support.verilog_units import Module


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_gates_compute_what_their_units_promise(family: str) -> None:
    assert check_gates([(unit, inputs_of(unit)) for unit in UNITS[family]], family, stalls=Stalls()) == []


def test_a_wrong_gate_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(unit: RtlUnit, *_: object, **__: object) -> GateLevel:
        right = gate_level(unit, "xc7")
        swapped = re.sub(r"(in0_V_tdata\[)([01])\]", lambda found: f"{found[1]}{1 - int(found[2])}]", right.netlist)
        assert swapped != right.netlist
        return replace(right, netlist=swapped)

    monkeypatch.setattr("finn_transforms.cost.gate_level.gate_level", damaged)
    unit = UNITS["xc7"][-1]
    inputs = inputs_of(unit)
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
