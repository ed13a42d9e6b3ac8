"""Adders packed around carry chains, on netlists small enough to pack by hand."""

from collections.abc import Callable
from random import Random

import pytest

from finn_transforms.cost.carry_sites import pack_carries
from finn_transforms.cost.lut_function import LutFunction, function_of
from finn_transforms.cost.lut_sites import count_sites
from finn_transforms.cost.netlist import Cell, Net
from tests.support.netlists import carry, lut, netlist, parity, register


def table(size: int, value: Callable[..., object]) -> int:
    """Return the table of a function of bits."""
    return sum(int(bool(value(*((row >> k) & 1 for k in range(size))))) << row for row in range(1 << size))


PARITY3 = table(3, lambda a, b, c: a ^ b ^ c)
MAJORITY = table(3, lambda a, b, c: a + b + c > 1)
BOTH = table(6, lambda a, b, c, d, e, f: a ^ b ^ c ^ (d + e + f > 1))


def ternary_adder() -> list[Cell]:
    """Return the four bits that Yosys leaves of an adder of three operands, (2, 3, 4), (5, 6, 7), ... by place.

    S is parity, with the majority of the bit before; DI is parity; both read what they need, majority is absorbed.
    """
    cells, select, data = [], [], []
    for bit in range(4):
        nets: list[Net] = [2 + 3 * bit, 3 + 3 * bit, 4 + 3 * bit]
        cells.append(lut(f"parity{bit}", nets, 100 + bit, PARITY3))
        if bit == 0:
            select.append(100)
        else:
            before: list[Net] = [net - 3 for net in nets if isinstance(net, int)]
            cells.append(lut(f"sum{bit}", [*nets, *before], 110 + bit, BOTH))
            select.append(110 + bit)
        data.append(100 + bit)
    return [*cells, carry("c", list(select), list(data))]


def test_an_adder_of_three_operands_takes_a_site_per_bit() -> None:
    sites = count_sites(netlist(*ternary_adder()))
    assert (sites.logic, sites.without_ternary, sites.before_packing) == (4, 7, 7)


def test_the_majority_needs_the_second_output_of_the_bit_before() -> None:
    # Another reader of the last bit's parity: it has to be there by itself.
    cells = [*ternary_adder(), register("r", 103, 200)]
    assert count_sites(netlist(*cells)).logic == 5
    # The bit before that holds a function of six inputs has no second output.
    wide = [lut("wide", [50, 51, 52, 53, 54, 55], 110)]
    top = [cell for cell in ternary_adder() if cell.name in ("parity1", "sum1")]
    chain = carry("c", [110, 111, "0", "0"], [60, 101, "0", "0"])
    assert count_sites(netlist(*wide, *top, chain)).logic == 3


def test_products_of_bits_share_the_site_of_their_sum() -> None:
    product = lut("product", [2, 3], 10)
    # S reads the product that DI reads, or makes it again.
    reads = lut("sum", [10, 4, 5], 11, table(3, lambda p, a, b: p ^ (a & b)))
    makes = lut("sum", [2, 3, 4, 5], 11, table(4, lambda c, d, a, b: (c & d) ^ (a & b)))
    for select in (reads, makes):
        cells = [product, select, carry("c", [11, "0", "0", "0"], [10, "0", "0", "0"])]
        assert count_sites(netlist(*cells)).logic == 1


def test_either_addend_may_drive_the_data_input() -> None:
    # Six inputs are too many for two outputs, but the other addend is a net: a pin of the slice.
    product = lut("product", [2, 3, 4, 5, 6], 10)
    select = lut("sum", [10, 7], 11, table(2, lambda p, a: p ^ a))
    cells = [product, select, carry("c", [11, "0", "0", "0"], [10, "0", "0", "0"])]
    packing = pack_carries(netlist(*cells))
    assert set(packing.packed) == {product}
    assert set(packing.full) == {select}


def test_functions_know_what_they_read() -> None:
    cell = lut("a", [2, 3], 10, table(2, lambda a, _: a))
    function = function_of(cell, [2, 3, 4])
    assert function.support == {2}
    assert function.is_wire
    assert not LutFunction(nets=(2,), table=0b01).is_wire
    inverter = Cell(name="i", type="INV", parameters={}, inputs={"I": (2,)}, outputs={"O": (20,)})
    assert function_of(inverter, [2]).table == 0b01
    behind = function_of(lut("b", [10, 4], 11, table(2, lambda a, b: a & b)), [2, 4], {10: 0b1010})
    assert behind.table == table(2, lambda a, b: a & b)


def test_a_select_input_has_six_inputs_at_most() -> None:
    # DI could be net 8, but S would then have to make the parity of seven nets from nets alone.
    product = lut("product", [2, 3, 4, 5, 6, 7], 10)
    select = lut("sum", [10, 8], 11, table(2, lambda p, a: p ^ a))
    cells = [product, select, carry("c", [11, "0", "0", "0"], [10, "0", "0", "0"])]
    assert count_sites(netlist(*cells)).logic == 2


def test_what_is_left_of_a_select_input_has_six_inputs_at_most() -> None:
    # The other addend, net 2 and 3, would fit beside the bit before; S is then its net and six others.
    first = lut("first", [2, 3], 20)
    product = lut("product", [4, 5, 6, 7, 8, 9], 10)
    select = lut("sum", [10, 2, 3], 11, table(3, lambda p, a, b: p ^ (a & b)))
    chain = carry("c", [20, 11, "0", "0"], [30, 10, "0", "0"])
    assert count_sites(netlist(first, product, select, chain)).logic == 3
    # Of five others it can be.
    product = lut("product", [4, 5, 6, 7, 8], 10)
    packing = pack_carries(netlist(first, product, select, chain))
    assert set(packing.packed) == set(packing.across) == {product}


def test_a_sum_that_is_not_registered_leaves_no_way_out_for_the_majority() -> None:
    # `carry` drives sums on nets from 1000 on: one flip-flop beside the bit may take the sum, nothing else.
    def sites(*others: Cell) -> int:
        return count_sites(netlist(*ternary_adder(), *others)).logic

    registers = [register(f"sum{bit}", 1000 + bit, 300 + bit) for bit in range(4)]
    assert sites() == sites(*registers) == 4
    # A bit that cannot place its majority reads six nets and has no room for the next bit's either.
    assert sites(*registers, register("copy", 1002, 310)) == 5
    assert sites(*registers, register("copy", 1001, 310)) == 6
    above = lut("above", [1001, 50], 60)
    assert sites(*registers, above) == sites(registers[0], *registers[2:], above) == 6 + 1
    assert sites(*registers, lut("carry_out", [1004, 50], 60)) == 7 + 1
    # The top bit's majority goes nowhere.
    assert sites(*registers[:3], lut("top", [1003, 50], 60)) == 4 + 1


def test_two_chains_may_continue_the_same_block() -> None:
    def block(name: str, nets: list[Net], first: int, begin: Net) -> list[Cell]:
        both = [lut(f"{name}s", nets, first + 20), lut(f"{name}d", nets, first + 21)]
        return [*both, carry(name, [first + 20, "0", "0", "0"], [first + 21, "0", "0", "0"], begin=begin, first=first)]

    cells = [*block("low", [2, 3], 1000, "0"), *block("up", [4, 5], 1100, 1007), *block("other", [6, 7], 1200, 1007)]
    sites = count_sites(netlist(*cells))
    assert (sites.logic, sites.before_packing) == (3, 6)


@pytest.mark.parametrize("seed", range(20))
def test_packings_of_random_chains_can_be_placed(seed: int) -> None:
    """Sites of random netlists: none twice, none dropped, and as many as the LUTs less what is packed."""
    random = Random(seed)
    cells: list[Cell] = []
    for bit in range(12):
        reads = random.sample(range(2, 12), random.randint(1, 6))
        cells.append(lut(f"d{bit}", list(reads), 100 + bit, random.getrandbits(1 << len(reads))))
        others: list[Net] = [*random.sample(range(2, 12), random.randint(1, 5)), *([100 + bit] * (bit % 2))]
        cells.append(lut(f"s{bit}", others, 200 + bit, random.choice((parity(len(others)), random.getrandbits(2)))))
        cells += [register(f"r{bit}", 1000 + 10 * (bit // 4) + bit % 4, 500 + bit)] * random.randint(0, 1)
    for block in range(3):
        select: list[Net] = [random.choice((200 + bit, 200 + bit, 2, "0")) for bit in range(4 * block, 4 * block + 4)]
        data: list[Net] = [random.choice((100 + bit, 100 + bit, 3)) for bit in range(4 * block, 4 * block + 4)]
        begin = 1000 + 10 * block - 3 if block else "0"
        cells.append(carry(f"c{block}", select, data, begin=begin, first=1000 + 10 * block))
    found = netlist(*cells)
    packing, sites = pack_carries(found), count_sites(found)
    luts = {cell for cell in cells if cell.type.startswith("LUT")}
    packed, full, across = set(packing.packed), set(packing.full), set(packing.across)
    assert packed | full <= luts
    assert not packed & full
    assert across <= packed
    assert sites.before_packing == len(luts)
    assert sites.logic == len(luts) - len(packed) + packing.route_throughs
    assert sites.without_ternary == sites.logic + len(across)
    # A site holds its own LUT, if any, and at most one more.
    assert len(packed) <= len(full) + packing.route_throughs
    for cell in packed:
        assert [pin.port for pin in found.readers[cell.outputs["O"][0]] if pin.cell not in full] == ["DI"]
