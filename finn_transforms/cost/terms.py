"""What the LUTs of a layer are made of: amounts that arithmetic gives, each with the constant it is multiplied with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from finn_transforms.cost.breakdown import Breakdown

Part: TypeAlias = Literal[
    "multipliers",
    "adder_tree",
    "accumulator",
    "weights",
    "threshold_memory",
    "comparators",
    "control",
    "buffer",
]
Resource: TypeAlias = Literal["logic", "memory", "srl"]
COUNTED: Final = ""


@dataclass(frozen=True)
class Term:
    """An amount of something that takes LUTs.

    Attributes:
        constant: Name of the fitted constant, LUTs per unit of the amount; `COUNTED` where the amount is LUTs already.
        amount: How much of it the layer has.
        part: What it is for.
        resource: LUTs as logic, as memory or as shift register.
    """

    constant: str
    amount: float
    part: Part
    resource: Resource = "logic"


@dataclass(frozen=True, kw_only=True)
class Luts:
    """LUTs of a layer, split in two ways with the same sum.

    Attributes:
        breakdown: By purpose.
        logic: As logic.
        memory: As distributed memory.
        srl: As shift registers.
    """

    breakdown: Breakdown
    logic: int
    memory: int
    srl: int


def amounts(terms: Iterable[Term]) -> tuple[dict[str, float], float]:
    """Return the sum of the amounts of each constant, and of those that need none."""
    sums: dict[str, float] = defaultdict(float)
    for term in terms:
        sums[term.constant] += term.amount
    counted = sums.pop(COUNTED, 0.0)
    return dict(sums), counted


def lut_count(terms: Iterable[Term], constants: Mapping[str, float]) -> Luts:
    """Add up the terms, in whole LUTs.

    The sum is rounded once; the parts are rounded down, and those that lost most get the LUTs that are missing, so
    that both splits add up to it.

    Amounts are counted in what takes about one LUT: a constant that the sweep had none of, so that it was not fitted,
    is 1.
    """
    cells: dict[tuple[Part, Resource], float] = defaultdict(float)
    for term in terms:
        factor = 1.0 if term.constant == COUNTED else constants.get(term.constant, 1.0)
        cells[term.part, term.resource] += factor * term.amount
    whole = {cell: int(value) for cell, value in cells.items()}
    missing = round(sum(cells.values())) - sum(whole.values())
    for cell in sorted(cells, key=lambda each: whole[each] - cells[each])[:missing]:
        whole[cell] += 1
    parts: dict[str, int] = defaultdict(int)
    resources: dict[str, int] = defaultdict(int)
    for (part, resource), luts in whole.items():
        parts[part] += luts
        resources[resource] += luts
    return Luts(
        breakdown=Breakdown(**parts), logic=resources["logic"], memory=resources["memory"], srl=resources["srl"]
    )
