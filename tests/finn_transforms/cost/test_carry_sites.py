"""Adders packed around carry chains, on netlists small enough to pack by hand."""

from collections.abc import Callable

from finn_transforms.cost.carry_sites import pack_carries
from finn_transforms.cost.lut_function import LutFunction, function_of
from finn_transforms.cost.lut_sites import count_sites
from finn_transforms.cost.netlist import Cell, Net
from tests.support.netlists import carry, lut, netlist, register


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
    assert (sites.logic, sites.before_packing) == (4, 7)


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
