"""Thresholding units: comparisons, the tables that they read, and what moves values along."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from finn_transforms.cost.library import bits_of, counter
from finn_transforms.cost.memory import bram18
from finn_transforms.cost.rom import random_rom_luts, rom_luts
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import Term
from finn_transforms.rtl.threshold_tables import CARRY_INPUTS, Comparison, comparison
from finn_transforms.rtl.thresholding import LUT_DEPTH

BINARY: Final = "thresholding_binary"
PARALLEL: Final = "thresholding_parallel"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A comparison of one lane with a table of thresholds.

    Attributes:
        bits: Bits compared.
        group: Bits per step of the carry chain, 0 for one LUT without a chain.
        address_bits: Bits of the address that the thresholds depend on.
        words: Thresholds.
        table: LUTs of the table where it stands by itself, 0 where the carry chain holds it.
        is_trivial: Whether the outcome is always the same.
    """

    bits: int
    group: int
    address_bits: int
    words: int
    table: int
    is_trivial: bool = False

    @classmethod
    def of(cls, comparison: Comparison) -> Node:
        """Return the node of a comparison whose thresholds are known."""
        stands_alone = comparison.address_bits > CARRY_INPUTS and comparison.group != 0
        return cls(
            bits=comparison.bits,
            group=comparison.group,
            address_bits=comparison.address_bits,
            words=len(comparison.entries),
            table=_table_luts(comparison) if stands_alone else 0,
            is_trivial=not comparison.strict and not any(comparison.entries),
        )

    @classmethod
    def unknown(cls, words: int, value_bits: int, *, block: bool) -> Node:
        """Return the node of so many thresholds that are not known: all of them different, in all bits of a value."""
        # Odd numbers, so that no bit can be left out. A few are enough to tell how they are compared.
        few = min(words, 1 << (CARRY_INPUTS + 1))
        least = comparison(np.array([2 * index + 1 for index in range(few)], dtype=object), value_bits, block=block)
        known = cls.of(replace(least, bits=value_bits)) if few == 1 else cls.of(least)
        bits = max(known.bits, value_bits)
        address_bits = bits_of(words)
        stands_alone = address_bits > CARRY_INPUTS and known.group != 0
        return cls(
            bits=bits,
            group=known.group,
            address_bits=address_bits,
            words=words,
            table=random_rom_luts(words, bits) if stands_alone else 0,
        )


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
    stages: tuple[tuple[Node, ...], ...]
    blocks: tuple[bool, ...]
    is_parallel: bool

    @classmethod
    def unknown(cls, *, lanes: int, sets: int, value_bits: int, steps: int, in_blocks: bool = False) -> Search:
        """Return a binary search whose thresholds are not known.

        Args:
            lanes: channels per cycle.
            sets: sets of thresholds, C / PE, or 1 where all channels share them.
            value_bits: bits of a value.
            steps: thresholds per channel.
            in_blocks: whether large tables are in block RAM.
        """
        code_bits = steps.bit_length()
        blocks = tuple(in_blocks and sets << stage > LUT_DEPTH for stage in range(code_bits))
        stages = tuple(
            (Node.unknown(sets << stage, value_bits, block=block),) * lanes for stage, block in enumerate(blocks)
        )
        return cls(
            lanes=lanes, value_bits=value_bits, code_bits=code_bits, sets=sets, stages=stages, blocks=blocks,
            is_parallel=False,
        )  # fmt: skip


def search_structure(search: Search) -> Structure:
    """Return the structure of a thresholding unit.

    Constants: see `node_terms`; ``held`` per bit of a result, ``flip`` per lane and stage of 32 thresholds,
    ``thermometer`` per LUT that reads a parallel search out, ``handshake``, and what `counter` says.
    """
    blocks = [False] * len(search.stages) if search.is_parallel else list(search.blocks)
    nodes = [(node, in_block) for in_block, stage in zip(blocks, search.stages, strict=True) for node in stage]
    latency = 2 if search.is_parallel else search.code_bits + sum(blocks)
    terms: list[Term] = [term for node, in_block in nodes for term in node_terms(node, in_block=in_block)]
    terms += [
        Term("held", search.lanes * search.code_bits, "buffer"),
        Term("flip", sum(node.address_bits == CARRY_INPUTS for node, _ in nodes), "comparators"),
        Term("handshake", 1, "control"),
        *counter(search.sets),
    ]
    if search.is_parallel:
        choices = (1 << search.code_bits) - 1 - search.code_bits
        terms.append(Term("thermometer", search.lanes * choices, "adder_tree"))
    memories = [(node.words, node.bits) for node, in_block in nodes if in_block]
    return Structure(
        kind=PARALLEL if search.is_parallel else BINARY,
        terms=tuple(terms),
        ff=_flip_flops(search, latency),
        delay=_delay(search),
        bram18=sum(bram18(words, bits) for words, bits in memories),
        stored_bits=sum(words * bits for words, bits in memories),
    )


def node_terms(node: Node, *, in_block: bool) -> list[Term]:
    """Return the terms of one comparison and its thresholds.

    What fits into one LUT is one. Else a LUT per step of the carry chain compares, and holds a table of up to 32
    thresholds as well: the steps that constant thresholds would need are the comparison, the others are for the table.
    Larger tables stand by themselves.

    Constants: ``lookup`` per comparison in one LUT, ``step`` per step of a carry chain, ``table_*`` per LUT of a table
    with so many bits of address.
    """
    if node.is_trivial:
        return []
    if node.group == 0:
        return [Term("lookup", 1, "comparators")]
    steps = -(-node.bits // node.group)
    if in_block:
        return [Term("step", steps, "comparators")]
    if node.table:
        name = f"table_{min(12, max(7, bits_of(node.words)))}"
        return [Term("step", steps, "comparators"), Term(name, node.table, "threshold_memory")]
    alone = min(steps, -(-node.bits // CARRY_INPUTS))
    return [Term("step", alone, "comparators"), Term("step", steps - alone, "threshold_memory")]


def _table_luts(comparison: Comparison) -> int:
    bits = [[int(entry) >> bit & 1 for bit in range(comparison.bits)] for entry in comparison.entries]
    return rom_luts(np.array(bits, dtype=bool))


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
        "table": max(0, address - CARRY_INPUTS),
        "readers": bits_of(search.lanes * search.value_bits + 1),
    }
