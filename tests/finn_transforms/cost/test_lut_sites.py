"""LUT sites of netlists small enough to pack by hand."""

import pytest

from finn_transforms.cost.lut_sites import carry_blocks, count_sites
from finn_transforms.cost.netlist import Cell
from tests.support.netlists import carry, lut, netlist, parity, register, shift_register

IDLE = ["0", "0", "0"]


def test_luts_and_inverters_take_a_site_each() -> None:
    inverter = Cell(name="i", type="INV", parameters={}, inputs={"I": (2,)}, outputs={"O": (20,)})
    sites = count_sites(netlist(lut("a", [2, 3, 4, 5, 6, 7], 21), lut("b", [2], 22), inverter))
    assert (sites.logic, sites.memory, sites.srl, sites.before_packing) == (3, 0, 0, 3)


def test_the_lut_of_a_data_input_shares_the_site_of_the_select_input_beside_it() -> None:
    cells = [lut("s", [2, 3, 4], 10), lut("d", [2, 5, 6], 11), carry("c", [10, *IDLE], [11, *IDLE])]
    sites = count_sites(netlist(*cells))
    assert (sites.logic, sites.before_packing) == (1, 2)


def test_both_together_have_five_inputs() -> None:
    cells = [lut("s", [2, 3, 4], 10), lut("d", [5, 6, 7], 11), carry("c", [10, *IDLE], [11, *IDLE])]
    assert count_sites(netlist(*cells)).logic == 2


def test_either_addend_may_drive_the_data_input() -> None:
    # Where S is 0 both addends are equal: net 2 and the parity of the five others.
    cells = [
        lut("s", [2, 3, 4, 5, 6, 7], 10, parity(6)),
        lut("d", [3, 4, 5, 6, 7], 11, parity(5)),
        carry("c", [10, *IDLE], [11, *IDLE]),
    ]
    assert count_sites(netlist(*cells)).logic == 1


def test_a_third_operand_goes_through_the_site_of_the_bit_before() -> None:
    cells = [lut("s0", [2, 3], 10), lut("d1", [2, 3, 9], 11), lut("s1", [11, 4, 5, 6], 12, parity(4))]
    chain = carry("c", [10, 12, "0", "0"], [2, 11, "0", "0"])
    assert count_sites(netlist(*cells, chain)).logic == 2
    # Not where that site is taken by its own bit's data input.
    taken = carry("c", [10, 12, "0", "0"], [20, 11, "0", "0"])
    assert count_sites(netlist(*cells, lut("d0", [2, 3, 7, 8], 20), taken)).logic == 3


def test_a_lut_with_another_reader_keeps_its_site() -> None:
    cells = [lut("s", [2, 3], 10), lut("d", [2, 5], 11), carry("c", [10, *IDLE], [11, *IDLE]), register("r", 11, 30)]
    assert count_sites(netlist(*cells)).logic == 2
    ports = count_sites(netlist(*cells[:3], outputs={"y": [11]}))
    assert ports.logic == 2


def test_a_select_input_from_elsewhere_takes_a_site_as_route_through() -> None:
    cells = [register("r", 2, 10), carry("c", [10, *IDLE], [3, *IDLE])]
    sites = count_sites(netlist(*cells))
    assert (sites.logic, sites.before_packing) == (1, 0)
    # The lookup table of the data input joins it.
    cells = [register("r", 2, 10), lut("d", [2, 5, 6, 7], 11), carry("c", [10, *IDLE], [11, *IDLE])]
    assert count_sites(netlist(*cells)).logic == 1


def test_a_lut_selects_one_bit_only() -> None:
    cells = [lut("s", [2, 3], 10), carry("c", [10, 10, "0", "0"], [4, 5, "0", "0"])]
    assert count_sites(netlist(*cells)).logic == 2


def test_a_constant_select_input_takes_nothing() -> None:
    assert count_sites(netlist(carry("c", ["0", "1", "0", "0"], [2, 3, 4, 5]))).logic == 0


@pytest.mark.parametrize(
    ("kind", "sites"),
    [("RAM32M", 4), ("RAM64M", 4), ("RAM64X1D", 2), ("RAM128X1D", 4), ("RAM32M16", 8), ("RAM64M8", 8), ("RAM64X1S", 1)],
)
def test_distributed_memories_take_what_the_user_guides_say(kind: str, sites: int) -> None:
    found = count_sites(netlist(Cell(name="m", type=kind, parameters={}, inputs={}, outputs={})))
    assert (found.logic, found.memory, found.srl) == (0, sites, 0)


def test_an_unknown_memory_is_refused() -> None:
    with pytest.raises(ValueError, match=r"found \['RAM1024X1D'\]"):
        count_sites(netlist(Cell(name="m", type="RAM1024X1D", parameters={}, inputs={}, outputs={})))


def test_pairing_joins_small_luts_and_short_shift_registers() -> None:
    luts = [lut("a", [2, 3, 4], 20), lut("b", [3, 4, 5], 21), lut("c", [6, 7], 22), lut("d", [2, 3, 4, 5, 6, 8], 23)]
    assert count_sites(netlist(*luts)).paired == 3
    assert count_sites(netlist(*luts, lut("e", [9, 10, 11], 24))).paired == 3
    registers = [shift_register(f"r{index}", index + 2, index + 30) for index in range(3)]
    sites = count_sites(netlist(*registers))
    assert (sites.srl, sites.paired) == (3, 2)
    assert count_sites(netlist(registers[0], shift_register("x", 9, 40, address="0"))).paired == 2


def test_a_lut_packed_with_a_carry_is_not_paired_again() -> None:
    cells = [lut("s", [2, 3], 10), lut("d", [2, 3], 11), carry("c", [10, *IDLE], [11, *IDLE]), lut("x", [2, 3], 12)]
    sites = count_sites(netlist(*cells))
    assert (sites.logic, sites.paired) == (2, 2)


def test_carry_chains_fill_blocks_of_eight() -> None:
    chain = [
        carry(f"c{index}", ["0"] * 4, ["0"] * 4, first=100 + 10 * index, begin=100 + 10 * index - 3 if index else "0")
        for index in range(3)
    ]
    alone = carry("other", ["0"] * 4, ["0"] * 4, first=200)
    assert carry_blocks(netlist(*chain, alone), 4) == 4
    assert carry_blocks(netlist(*chain, alone), 8) == 3
