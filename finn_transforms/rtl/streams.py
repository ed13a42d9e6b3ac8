"""Streams between hardware layers: integers in beats, and the bits that carry them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType

Integers = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """An AXI stream of a layer: so many integers per beat, so many beats per frame.

    The first element of a beat is in the lowest bits, as in FINN. Signed integers are two's complement, a bipolar
    element is one bit, 0 for -1 and 1 for 1. ``tdata`` is filled up with zeros to whole bytes.

    Attributes:
        name: Prefix of its signals, e.g. ``in0_V`` for ``in0_V_tdata``.
        data_type: Data type of an element.
        elements: Elements per beat.
        beats: Beats per frame.
    """

    name: str
    data_type: BaseDataType
    elements: int
    beats: int

    @property
    def element_bits(self) -> int:
        """Bits of an element."""
        return int(self.data_type.bitwidth())

    @property
    def bits(self) -> int:
        """Bits of a beat that carry elements."""
        return self.elements * self.element_bits

    @property
    def tdata_bits(self) -> int:
        """Bits of ``tdata``, whole bytes."""
        return -(-self.bits // 8) * 8

    def pack(self, values: Integers) -> list[int]:
        """Return one integer per beat, its bits being those of ``tdata``.

        Args:
            values: integers (..., elements), or any shape whose elements come in the stream's order.

        Raises:
            ValueError: a value does not fit the data type.
        """
        flat = np.asarray(values).reshape(-1, self.elements)
        wrong = next((int(value) for value in np.unique(flat) if not self.data_type.allowed(int(value))), None)
        if wrong is not None:
            raise ValueError(
                f"stream {self.name}: expected values of {self.data_type}, found {wrong}; "
                "look at the layer that produces it"
            )
        mask = (1 << self.element_bits) - 1
        coded = (flat + 1) // 2 if self.data_type.name == "BIPOLAR" else flat
        return [
            sum((int(value) & mask) << (index * self.element_bits) for index, value in enumerate(beat))
            for beat in coded
        ]

    def unpack(self, words: list[int]) -> Integers:
        """Return the integers of some beats, (len(words), elements); the inverse of `pack`."""
        bits, mask = self.element_bits, (1 << self.element_bits) - 1
        fields = [[word >> (index * bits) & mask for index in range(self.elements)] for word in words]
        values = np.array(fields, dtype=object if bits > 62 else np.int64).reshape(-1, self.elements)
        if self.data_type.name == "BIPOLAR":
            return 2 * values - 1
        if int(self.data_type.min()) < 0:
            return np.where(values >> (bits - 1) != 0, values - (1 << bits), values)
        return values
