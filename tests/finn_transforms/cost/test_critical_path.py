"""Rough critical paths of netlists that can be added up by hand."""

import pytest

from finn_transforms.cost.critical_path import DELAYS, critical_path
from finn_transforms.cost.netlist import Cell
from finn_transforms.cost.utilization import CriticalPath
from tests.support.netlists import carry, lut, netlist, register


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_the_longest_path_between_registers(family: str) -> None:
    cells = [register("from", 99, 2), lut("a", [2], 3), lut("b", [3], 4), lut("c", [3, 2], 5)]
    path = critical_path(netlist(*cells, register("to", 4, 6), register("short", 2, 7)), family)
    assert path is not None
    delays = DELAYS[family]
    nets = [3, 2, 1]  # readers of nets 2 and 3; from LUT b to the register beside it there is no net
    wires = sum(delays.net + delays.fanout * [0, 0, 1, 1.584962500721156][count] for count in nets[:2])
    assert path.delay_ns == pytest.approx(delays.clock_to_out + wires + 2 * delays.lut + delays.setup, abs=1e-3)
    assert (path.start, path.end, path.lut_levels, path.carry_bits) == ("from", "to", 2, 0)


def test_a_carry_chain_is_followed_bit_by_bit() -> None:
    low = carry("low", [10, "0", "0", "0"], [2, "0", "0", "0"], first=20)
    high = carry("high", ["0"] * 4, ["0"] * 4, begin=27, first=30)
    cells = [register("from", 99, 2), lut("s", [2], 10), low, high, register("to", 33, 40)]
    path = critical_path(netlist(*cells), "xc7")
    assert path is not None
    assert (path.start, path.end, path.lut_levels, path.carry_bits) == ("from", "to", 1, 7)


def test_a_chain_may_begin_with_constants() -> None:
    low = carry("low", ["0", "0", 10, "0"], ["0", "1", 2, "0"], first=20)
    path = critical_path(netlist(register("from", 99, 2), lut("s", [2], 10), low, register("to", 23, 40)), "xc7")
    assert path is not None
    assert (path.start, path.end, path.carry_bits) == ("from", "to", 1)


def test_ports_count_as_registers_of_the_neighbours() -> None:
    path = critical_path(netlist(lut("a", [2], 3), inputs={"x": [2]}, outputs={"y": [3]}), "xcup")
    assert path is not None
    assert (path.start, path.end) == ("x", "y")


def test_an_output_register_of_a_block_memory_is_seen() -> None:
    def slow(registered: str) -> float:
        memory = Cell(
            name="m",
            type="RAMB18E1",
            parameters={"DOA_REG": registered, "DOB_REG": "00000000000000000000000000000000"},
            inputs={"CLKARDCLK": (1,)},
            outputs={"DOADO": (2,)},
        )
        path = critical_path(netlist(memory, register("to", 2, 3)), "xc7")
        assert path is not None
        return path.delay_ns

    delays = DELAYS["xc7"]
    difference = slow("0" * 32) - slow("0" * 31 + "1")
    assert difference == pytest.approx(delays.block_out - delays.block_out_registered, abs=2e-3)


def test_nothing_clocked_has_no_path() -> None:
    assert critical_path(netlist(), "xc7") is None


def test_a_combinational_loop_is_an_error() -> None:
    with pytest.raises(ValueError, match="combinational loop"):
        critical_path(netlist(lut("a", [3, 4], 2), lut("b", [2], 3)), "xc7")


def test_classes_of_speed_are_steps_of_50_mhz() -> None:
    path = CriticalPath(delay_ns=3.9, lut_levels=1, carry_bits=0, start="a", end="b")
    assert path.fmax_mhz == pytest.approx(256.41, abs=0.01)
    assert path.fmax_class == 250


def memory(kind: str, reads: dict[str, int], drives: dict[str, int]) -> Cell:
    inputs = {port: (net,) for port, net in reads.items()}
    outputs = {port: (net,) for port, net in drives.items()}
    return Cell(name="m", type=kind, parameters={}, inputs=inputs, outputs=outputs)


@pytest.mark.parametrize(
    ("kind", "address", "data", "write"),
    [("RAM32M", "ADDRA", "DOA", "ADDRD"), ("RAM64M8", "ADDRC", "DOC", "ADDRH"), ("RAM64X1D", "DPRA0", "DPO", "A0")],
)
def test_a_write_address_may_follow_from_what_is_read(kind: str, address: str, data: str, write: str) -> None:
    ram = memory(kind, {address: 2, write: 4, "WCLK": 1}, {data: 3})
    path = critical_path(netlist(ram, lut("next", [3], 4), inputs={"a": [2]}), "xc7")
    assert path is not None
    # From what the memory stores through the LUT to the write address.
    assert (path.start, path.end, path.lut_levels) == ("m", "m", 1)
    with pytest.raises(ValueError, match="combinational loop"):
        critical_path(netlist(ram, lut("next", [3], 2)), "xc7")


def test_the_last_output_of_a_shift_register_has_no_address() -> None:
    shift = memory("SRLC32E", {"A0": 3, "D": 5, "CLK": 1}, {"Q31": 2, "Q": 6})
    path = critical_path(netlist(shift, lut("a", [2], 3)), "xc7")
    assert path is not None
    assert path.lut_levels == 1
