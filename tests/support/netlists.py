"""Netlists written by hand, cell by cell."""

from finn_transforms.cost.netlist import Cell, Net, Netlist


def lut(name: str, reads: list[Net], drives: Net, table: int | None = None) -> Cell:
    """Return a LUT, the conjunction of what it reads unless another table is given."""
    inputs = {f"I{index}": (net,) for index, net in enumerate(reads)}
    size = 1 << len(reads)
    init = f"{1 << (size - 1) if table is None else table:0{size}b}"
    return Cell(name=name, type=f"LUT{len(reads)}", parameters={"INIT": init}, inputs=inputs, outputs={"O": (drives,)})


def parity(inputs: int) -> int:
    """Return the table of the parity of so many inputs."""
    return sum(1 << row for row in range(1 << inputs) if row.bit_count() % 2)


def register(name: str, reads: Net, drives: Net) -> Cell:
    inputs: dict[str, tuple[Net, ...]] = {"C": (1,), "CE": ("1",), "R": ("0",), "D": (reads,)}
    return Cell(name=name, type="FDRE", parameters={}, inputs=inputs, outputs={"Q": (drives,)})


def carry(name: str, select: list[Net], data: list[Net], *, begin: Net = "0", first: int = 1000) -> Cell:
    """Return a CARRY4 that drives O on nets from `first` on and CO on nets from `first` + 4 on."""
    return Cell(
        name=name,
        type="CARRY4",
        parameters={},
        inputs={"S": tuple(select), "DI": tuple(data), "CI": (begin,), "CYINIT": ("0",)},
        outputs={"O": tuple(range(first, first + 4)), "CO": tuple(range(first + 4, first + 8))},
    )


def shift_register(name: str, reads: Net, drives: Net, *, address: Net = "1") -> Cell:
    inputs: dict[str, tuple[Net, ...]] = {"CLK": (1,), "CE": ("1",), "D": (reads,)}
    inputs |= {f"A{index}": (address,) for index in range(4)}
    return Cell(name=name, type="SRL16E", parameters={}, inputs=inputs, outputs={"Q": (drives,)})


def netlist(
    *cells: Cell, inputs: dict[str, list[Net]] | None = None, outputs: dict[str, list[Net]] | None = None
) -> Netlist:
    return Netlist(
        cells=cells,
        inputs={name: tuple(nets) for name, nets in (inputs or {}).items()},
        outputs={name: tuple(nets) for name, nets in (outputs or {}).items()},
    )
