"""Read-only memories as SystemVerilog text: words of known integers, read a cycle after their address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RamStyle = Literal["auto", "distributed", "block"]

BLOCK_DEPTH = 512
"""Words from which on ``auto`` takes block RAM: an 18 Kbit block has 512 words of 36 bits."""
_LOGIC_DEPTH = 64


@dataclass(frozen=True, kw_only=True)
class ReadOnlyMemory:
    """Words that a layer reads one after the other.

    In LUTs a bit of up to 64 words takes one LUT, less where the words say so: synthesis sees the values.

    Attributes:
        name: Name of the words' signal, of the memory behind it, ``<name>_memory``, and of its address,
            ``<name>_address``.
        words: Contents, unsigned, each below 2^width.
        width: Bits per word.
        style: ``distributed`` in LUTs; ``block`` in block RAM; ``auto`` in block RAM from `BLOCK_DEPTH` words on.

    Raises:
        ValueError: there is no word, one does not fit, or the style is none of these.
    """

    name: str
    words: Sequence[int]
    width: int
    style: RamStyle = "auto"

    def __post_init__(self) -> None:
        if self.style not in ("auto", "distributed", "block"):
            raise ValueError(
                f"{self.name}: expected ram_style 'auto', 'distributed' or 'block', found {self.style!r}; choose one"
            )
        if not self.words or self.width < 1:
            raise ValueError(f"{self.name}: expected at least one word of at least one bit; leave an empty memory out")
        wrong = next((word for word in self.words if not 0 <= word < 1 << self.width), None)
        if wrong is not None:
            raise ValueError(f"{self.name}: expected words of {self.width} bits, found {wrong}; widen the memory")

    @property
    def is_block(self) -> bool:
        """Whether it is in block RAM."""
        return self.style == "block" or (self.style == "auto" and len(self.words) >= BLOCK_DEPTH)

    @property
    def address_bits(self) -> int:
        """Bits of the address, at least 1."""
        return max(1, (len(self.words) - 1).bit_length())

    def lines(self, enable: str) -> list[str]:
        """Return declarations of ``<name>``, to be read, and ``<name>_address``, to be driven.

        Args:
            enable: the signal that lets a word be read.
        """
        declared = [
            f"logic [{self.width - 1}:0] {self.name};",
            f"wire [{self.address_bits - 1}:0] {self.name}_address;",
        ]
        if len(self.words) == 1:
            unused = f"wire unused_{self.name} = &{{1'b0, {enable}, {self.name}_address}};"
            return [*declared, f"assign {self.name} = {self._literal(self.words[0])};", unused]
        contents = [
            f"    {self.name}_memory[{place}] = {self._literal(word)};" for place, word in enumerate(self.words)
        ]
        return [
            *declared,
            f"(* {self._style} *)",
            f"logic [{self.width - 1}:0] {self.name}_memory[{len(self.words)}];",
            "initial begin",
            *contents,
            "end",
            f"always_ff @(posedge ap_clk) if ({enable}) {self.name} <= {self.name}_memory[{self.name}_address];",
        ]

    @property
    def _style(self) -> str:
        """Attributes: Yosys reads the first, Vivado the second for a memory that is never written."""
        if self.is_block:
            return 'ram_style = "block", rom_style = "block"'
        # Few words are logic, which synthesis makes one with what reads them.
        return 'ram_style = "registers"' + (', rom_style = "distributed"' if len(self.words) > _LOGIC_DEPTH else "")

    def _literal(self, word: int) -> str:
        return f"{self.width}'h{word:x}"
