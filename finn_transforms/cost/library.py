"""Building blocks that several kinds of layer share: counters, stream registers, multiplexers, buffers."""

from __future__ import annotations

from finn_transforms.cost.memory import Memory
from finn_transforms.cost.terms import COUNTED, Part, Term


def bits_of(states: int) -> int:
    """Return the width of a counter with so many states; 0 for a single one."""
    return (states - 1).bit_length()


def is_power_of_two(number: int) -> bool:
    """Tell whether a counter of so many states returns by itself."""
    return number & (number - 1) == 0


def mux_luts(inputs: int) -> int:
    """Return the LUTs per bit of a choice among so many words: four per LUT6."""
    return 0 if inputs <= 1 else -(-(inputs - 1) // 3)


def skid(width: int) -> list[Term]:
    """Return the terms of a register for two words, ``bfx_skid``: a choice of two per bit, four LUTs of handshake."""
    return [Term(COUNTED, width, "buffer"), Term(COUNTED, 4, "control")]


def counter(states: int, name: str = "counter", part: Part = "control") -> list[Term]:
    """Return the terms of a counter, ``bfx_counter``; one that has to be sent back to 0 compares and takes more.

    Constants: ``<name>`` and ``<name>_bit`` of one that returns by itself, ``<name>_return`` per bit of another.
    """
    if states <= 1:
        return []
    bits = bits_of(states)
    extra = [] if is_power_of_two(states) else [Term(f"{name}_return", bits, part)]
    return [Term(name, 1, part), Term(f"{name}_bit", bits, part), *extra]


def memory_terms(memory: Memory, width: int, part: Part = "buffer") -> list[Term]:
    """Return the terms of a memory in LUTs: its LUTs, the choice of the bank per bit, a decoder per bank.

    Constants: ``bank_choice`` per LUT6 of a multiplexer, ``bank`` per bank.
    """
    if not memory.lut:
        return []
    terms = [Term(COUNTED, memory.lut, part, "memory")]
    if memory.banks > 1:
        terms += [Term("bank_choice", width * mux_luts(memory.banks), part), Term("bank", memory.banks, part)]
    return terms
