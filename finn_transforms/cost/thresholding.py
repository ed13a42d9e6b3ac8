"""Thresholding units: comparisons, the tables that they read, and what moves values along."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from finn_transforms.cost.library import bits_of, counter, mux_luts
from finn_transforms.cost.memory import bram18
from finn_transforms.cost.rom import rom_luts
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import Term
from finn_transforms.rtl.threshold_tables import CARRY_INPUTS, Comparison

BINARY: Final = "thresholding_binary"
PARALLEL: Final = "thresholding_parallel"


@dataclass(frozen=True, kw_only=True)
class Search:
    """A thresholding unit.

    Attributes:
        lanes: Channels per cycle, PE.
        value_bits: Bits of a value.
        code_bits: Bits of a result.
        sets: Sets of thresholds that the beats go through.
        stages: Comparisons per stage and lane; of a parallel search, per lane and threshold.
        blocks: Stages that read block RAM; empty for a parallel search.
        is_parallel: Whether all comparisons happen at once.
    """

    lanes: int
    value_bits: int
    code_bits: int
    sets: int
    stages: tuple[tuple[Comparison, ...], ...]
    blocks: tuple[bool, ...]
    is_parallel: bool


def search_structure(search: Search) -> Structure:
    """Return the structure of a thresholding unit."""
    blocks = [False] * len(search.stages) if search.is_parallel else list(search.blocks)
    terms: list[Term] = []
    for in_block, stage in zip(blocks, search.stages, strict=True):
        for node in stage:
            terms += comparison_terms(node, in_block=in_block)
    latency = 2 if search.is_parallel else search.code_bits + sum(blocks)
    terms += [
        Term("held", search.lanes * search.code_bits, "buffer"),
        Term("latency", latency, "control"),
        Term("handshake", 1, "control"),
        *counter(search.sets),
    ]
    if search.is_parallel:
        choices = sum(mux_luts(2**bit) for bit in range(search.code_bits))
        terms.append(Term("thermometer", search.lanes * choices, "adder_tree"))
    memory_bits = [
        (len(node.entries), node.bits)
        for in_block, stage in zip(blocks, search.stages, strict=True)
        for node in stage
        if in_block
    ]
    return Structure(
        kind=PARALLEL if search.is_parallel else BINARY,
        terms=tuple(terms),
        ff=_flip_flops(search, latency),
        delay=_delay(search),
        bram18=sum(bram18(words, bits) for words, bits in memory_bits),
        stored_bits=sum(words * bits for words, bits in memory_bits),
    )


def comparison_terms(node: Comparison, *, in_block: bool) -> Iterable[Term]:
    """Return the terms of one comparison and its thresholds.

    What fits into one LUT is one. Else a LUT per step of the carry chain compares, and holds a table of up to 32
    thresholds as well: the steps that constant thresholds would need are the comparison, the others are for the table.
    Larger tables stand by themselves.

    Constants: ``lookup`` per comparison in one LUT, ``step`` per step of a carry chain, ``table`` per LUT of a table.
    """
    if len(set(node.entries)) == 1 and node.entries[0] == 0 and not node.strict:
        return []
    if node.group == 0:
        return [Term("lookup", 1, "comparators")]
    steps = -(-node.bits // node.group)
    if in_block:
        return [Term("step", steps, "comparators")]
    alone = min(steps, -(-node.bits // CARRY_INPUTS))
    terms = [Term("step", alone, "comparators"), Term("step", steps - alone, "threshold_memory")]
    if node.group == 2 and node.address_bits >= CARRY_INPUTS + 1:
        terms = [Term("step", steps, "comparators"), Term("table", _table_luts(node), "threshold_memory")]
    return terms


def _table_luts(node: Comparison) -> int:
    entries = np.array(node.entries, dtype=object)
    bits = np.array([[int(entry) >> bit & 1 for bit in range(node.bits)] for entry in entries], dtype=bool)
    return rom_luts(bits)


def _flip_flops(search: Search, latency: int) -> dict[str, float]:
    codes = search.lanes * search.code_bits
    if search.is_parallel:
        moved: float = search.lanes * ((1 << search.code_bits) - 1)
    else:
        # The value leaves the pipeline in front of the last stage's register; the code grows by a bit per stage.
        moved = search.lanes * (search.value_bits * (latency - 1) + search.code_bits * (search.code_bits - 1) / 2)
        moved += bits_of(search.sets) * (latency - 1)
    return {"moved": moved, "code": 2 * codes, "valid": latency + 1, "counter": bits_of(search.sets)}


def _delay(search: Search) -> dict[str, float]:
    nodes = [node for stage in search.stages for node in stage]
    chain = max((-(-node.bits // node.group) for node in nodes if node.group), default=0)
    address = max((node.address_bits for node in nodes), default=0)
    return {
        "search": 1,
        "chain": chain,
        "table": max(0, address - 5),
        "readers": bits_of(search.lanes * search.value_bits + 1),
    }
