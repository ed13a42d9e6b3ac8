"""Streams between hardware layers: integers in beats, and the bits that carry them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType

Integers = NDArray[Any]

_NATIVE = 62  # bits of an element up to which numpy's 64-bit integers do


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
        return [int.from_bytes(row.tobytes(), "little") for row in self.pack_bytes(values)]

    def pack_bytes(self, values: Integers) -> NDArray[np.uint8]:
        """Return the bytes of ``tdata`` of every beat, lowest first, (beats, tdata_bits / 8); see `pack`."""
        flat = np.asarray(values).reshape(-1, self.elements)
        wrong = next((int(value) for value in np.unique(flat) if not self.data_type.allowed(int(value))), None)
        if wrong is not None:
            raise ValueError(
                f"stream {self.name}: expected values of {self.data_type}, found {wrong}; "
                "look at the layer that produces it"
            )
        coded = (flat + 1) // 2 if self.data_type.name == "BIPOLAR" else flat
        size = -(-self.element_bits // 8)
        if self.element_bits > _NATIVE:
            mask = (1 << self.element_bits) - 1
            raw = b"".join((int(value) & mask).to_bytes(size, "little") for value in coded.flat)
            fields = np.frombuffer(raw, dtype=np.uint8).reshape(*flat.shape, size)
        else:
            fields = coded.astype("<i8").reshape(*flat.shape, 1).view(np.uint8)[..., :size]
        bits = np.unpackbits(fields, axis=-1, count=self.element_bits, bitorder="little")
        return np.packbits(bits.reshape(len(flat), self.bits), axis=-1, bitorder="little")

    def unpack(self, words: Sequence[int]) -> Integers:
        """Return the integers of some beats, (len(words), elements); the inverse of `pack`."""
        size = self.tdata_bits // 8
        keep = (1 << self.bits) - 1
        raw = b"".join((word & keep).to_bytes(size, "little") for word in words)
        return self.unpack_bytes(np.frombuffer(raw, dtype=np.uint8).reshape(len(words), size))

    def unpack_bytes(self, rows: NDArray[np.uint8]) -> Integers:
        """Return the integers of some beats, (len(rows), elements); the inverse of `pack_bytes`."""
        count, width = self.element_bits, -(-self.element_bits // 8)
        bits = np.unpackbits(rows, axis=-1, count=self.bits, bitorder="little").reshape(len(rows), self.elements, count)
        fields = np.packbits(bits, axis=-1, bitorder="little")
        signed = self.data_type.name != "BIPOLAR" and int(self.data_type.min()) < 0
        if count > _NATIVE:
            numbers = [int.from_bytes(field.tobytes(), "little") for field in fields.reshape(-1, width)]
            values: Integers = np.array(numbers, dtype=object).reshape(len(rows), self.elements)
        else:
            filled = np.zeros((*fields.shape[:2], 8), dtype=np.uint8)
            filled[..., :width] = fields
            values = filled.view("<i8")[..., 0].astype(np.int64)
        if signed:
            return np.where(values >> (count - 1) != 0, values - (1 << count), values)
        return 2 * values - 1 if self.data_type.name == "BIPOLAR" else values
