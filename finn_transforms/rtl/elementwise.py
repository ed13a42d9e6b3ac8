"""Sums, differences and products of two streams, or of a stream and constants (FINN's ElementwiseAdd, Sub, Mul)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_transforms.ops.hardware import HARDWARE
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, instance, module

_OPERATORS = {"add": "ElementwiseAdd", "sub": "ElementwiseSub", "mul": "ElementwiseMul"}
_TABLE_INPUTS = 6


def constant_beats(constants: Integers, channels: int, elements: int) -> Integers:
    """Return constants in the order of a stream, (rows, elements), the rows to be repeated for a frame.

    Args:
        constants: one number, one per channel (..., C), or as many as the stream has.
        channels: C of the stream.
        elements: Elements per beat, a divisor of C.
    """
    array = np.asarray(constants)
    if array.size == 1:
        return np.full((1, elements), array.flat[0])
    if array.shape[-1] == 1:
        array = np.broadcast_to(array, (*array.shape[:-1], channels))
    return array.reshape(-1, elements)


@dataclass(frozen=True, kw_only=True, eq=False)
class Elementwise(RtlUnit):
    """Combines two operands element by element; results beyond the output's width wrap around.

    Where an element and the row of its constant are at most six bits, the results are a table.  Rows of factors are a
    memory otherwise, other constants logic.  One register behind the operators; tready passes through.

    Attributes:
        name: Name of the top module.
        operation: ``add``, ``sub`` (left minus right) or ``mul``.
        left_type: Data type of the left operand.
        right_type: Data type of the right operand.
        output_type: Data type of the result.
        elements: Elements per beat (FINN's PE).
        beats: Beats per frame.
        constants: The operand that is no stream, (rows, elements), rows a divisor of `beats`; see `constant_beats`.
        constant_side: Which operand the constants are.

    Raises:
        ValueError: a type is bipolar, or the constants do not fit the beats or their type.
    """

    name: str
    operation: Literal["add", "sub", "mul"]
    left_type: BaseDataType
    right_type: BaseDataType
    output_type: BaseDataType
    elements: int
    beats: int
    constants: Integers | None = None
    constant_side: Literal["left", "right"] = "right"

    def __post_init__(self) -> None:
        for data_type in (self.left_type, self.right_type, self.output_type):
            if data_type.name == "BIPOLAR":
                raise ValueError(f"{self.name}: expected numbers, found bipolar bits; annotate INT2 instead")
        if self.constants is None:
            return
        rows = np.array(self.constants)
        if rows.ndim != 2 or rows.shape[1] != self.elements or self.beats % len(rows):
            raise ValueError(
                f"{self.name}: expected constants (rows, {self.elements}) with rows that divide {self.beats}, found "
                f"{rows.shape}; use constant_beats"
            )
        rows.setflags(write=False)
        object.__setattr__(self, "constants", rows)
        self._constant_stream.pack(rows)

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The operands that are streams, the left one first."""
        sides = [side for side in ("left", "right") if self.constants is None or side != self.constant_side]
        return tuple(self._stream(f"in{index}_V", self._type(side)) for index, side in enumerate(sides))

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The results."""
        return (self._stream("out0_V", self.output_type),)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the exact results."""
        operands = [np.asarray(each) for each in inputs]
        if self.constants is not None:
            repeated = np.tile(self.constants, (self.beats // len(self.constants), 1))
            operands.insert(0 if self.constant_side == "left" else 1, np.broadcast_to(repeated, operands[0].shape))
        return (HARDWARE[_OPERATORS[self.operation]]({}, *operands),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, with the constants where there are some, and the operators."""
        if self.is_table:
            return self._table_sources()
        parameters: dict[str, int | str] = {"OPERATION": f'"{self.operation}"', "ELEMENTS": self.elements}
        connections: dict[str, str] = {f"out_{part}": f"out0_{part}" for part in ("data", "valid", "ready")}
        body, used, number = [], ["bfx_elementwise.sv", "bfx_product.sv"], 0
        for side in ("left", "right"):
            data_type = self._type(side)
            parameters |= {
                f"{side.upper()}_BITS": data_type.bitwidth(),
                f"{side.upper()}_SIGNED": int(data_type.signed()),
            }
            source = f"in{number}"
            if self.constants is not None and side == self.constant_side:
                body, source = self._constant_body(), "constant"
                used += ["bfx_constants.sv", "bfx_counter.sv"]
            else:
                number += 1
            connections |= {f"{side}_{part}": f"{source}_{part}" for part in ("data", "valid", "ready")}
        parameters["OUT_BITS"] = self.output_type.bitwidth()
        body.append(instance("bfx_elementwise", parameters, connections))
        return files_of(self.name, module(self, body), used)

    @property
    def is_table(self) -> bool:
        """Whether each bit of a result is a function of six bits, a LUT, of which synthesis would make adders."""
        if self.constants is None:
            return False
        return self.inputs[0].element_bits + (len(self.constants) - 1).bit_length() <= _TABLE_INPUTS

    @property
    def keeps_constants(self) -> bool:
        """Whether constants are a memory, in front of a multiplier."""
        if self.operation != "mul" or self.constants is None:
            return False
        return len(self.constants) > 1 and not self.is_table

    def cycles(self) -> int:
        """Return a cycle per beat."""
        return self.beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return that each beat waits for its operands."""
        return tuple(np.arange(1, self.beats + 1) for _ in self.inputs)

    @cached_property
    def table(self) -> Integers:
        """Results of a unit that `is_table`, cut to the output's bits: (elements, rows, values as unsigned numbers)."""
        stream, constants = self.inputs[0], np.asarray(self.constants).T[:, :, np.newaxis]
        values = np.arange(1 << stream.element_bits)
        if stream.data_type.signed():
            values[len(values) // 2 :] -= len(values)
        operands = np.broadcast_arrays(values, constants)
        if self.constant_side == "left":
            operands = operands[::-1]
        results = HARDWARE[_OPERATORS[self.operation]]({}, *operands)
        return np.asarray(results).astype(np.int64) & ((1 << self.outputs[0].element_bits) - 1)

    def _table_sources(self) -> Mapping[str, str]:
        bits = self.outputs[0].element_bits
        packed = sum(int(entry) << place * bits for place, entry in enumerate(self.table.flat))
        parameters: dict[str, int | str] = {
            "ELEMENTS": self.elements,
            "ROWS": len(np.asarray(self.constants)),
            "IN_BITS": self.inputs[0].element_bits,
            "OUT_BITS": bits,
            "TABLE": f"{self.table.size * bits}'h{packed:x}",
        }
        connections = {f"in_{part}": f"in0_{part}" for part in ("data", "valid", "ready")}
        connections |= {f"out_{part}": f"out0_{part}" for part in ("data", "valid", "ready")}
        body = [instance("bfx_element_table", parameters, connections)]
        return files_of(self.name, module(self, body), ["bfx_element_table.sv", "bfx_counter.sv"])

    def _type(self, side: str) -> BaseDataType:
        return self.left_type if side == "left" else self.right_type

    def _stream(self, name: str, data_type: BaseDataType) -> Stream:
        return Stream(name=name, data_type=data_type, elements=self.elements, beats=self.beats)

    @property
    def _constant_stream(self) -> Stream:
        return self._stream("constants", self._type(self.constant_side))

    def _constant_body(self) -> list[str]:
        stream, words = self._constant_stream, self._constant_stream.pack(np.asarray(self.constants))
        table = sum(word << (index * stream.bits) for index, word in enumerate(words))
        parameters: dict[str, int | str] = {
            "WIDTH": stream.bits,
            "ROWS": len(words),
            "TABLE": f"{len(words) * stream.bits}'h{table:x}",
            "REGISTERED": int(self.keeps_constants),
        }
        connections = {f"out_{part}": f"constant_{part}" for part in ("data", "valid", "ready")}
        # They are always there.
        return [
            f"wire [{stream.bits - 1}:0] constant_data;",
            "wire constant_valid, constant_ready;",
            instance("bfx_constants", parameters, connections, label="constants"),
        ]
