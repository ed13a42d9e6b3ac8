"""Thresholding: how many thresholds of its channel each value reaches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_transforms.ops.hardware import thresholding
from finn_transforms.rtl.memory import BLOCK_DEPTH
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.threshold_tables import Comparison, comparison, literal, search_order, table
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, instance, module, one_to_one

LUT_DEPTH = 64
"""Thresholds per lane and stage that ``block`` leaves in LUTs: a LUT holds so many of each bit."""

MAX_STEPS = 4095
"""Of results of 12 bits: a table of more is no reasonable way to compute a function."""

LIBRARY = (
    "bfx_thresholding.sv",
    "bfx_thresholding_binary.sv",
    "bfx_thresholding_parallel.sv",
    "bfx_thresholding_stage.sv",
    "bfx_threshold_node.sv",
    "bfx_threshold_compare.sv",
    "bfx_counter.sv",
)

Search = Literal["binary", "parallel"]
Memory = Literal["auto", "distributed", "block", "constant"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Thresholding(RtlUnit):
    """Counts, per channel, the thresholds that a value reaches, and adds a bias.

    A binary search has a stage per output bit, each with a comparison and a table of thresholds per lane; it takes a
    beat per cycle. A parallel search has a comparison per threshold and lane, and answers after two cycles. Both hold
    their output while the next layer waits, so that ``tready`` comes from a register; ``tdata`` is one multiplexer
    behind registers.

    Attributes:
        name: Name of the top module.
        channels: Channels C.
        pe: Channels per beat; it divides C.
        thresholds: integers, (C or 1, steps), ascending in each row; those that the input cannot reach, or always
            reaches, may have any size.
        input_type: Data type of a value.
        output_type: Data type of a result; ``BIPOLAR`` gives -1 or 1 for a count of 0 or 1.
        bias: What is added to the count (``ActVal``), not for ``BIPOLAR``.
        num_vectors: Shape of a frame without its channels.
        search: ``binary`` or ``parallel``.
        memory: Where a binary search has its thresholds: ``distributed`` in LUTs; ``block`` in block RAM from more than
            `LUT_DEPTH` thresholds per lane and stage on; ``auto`` in block RAM from `BLOCK_DEPTH` on; ``constant``, in
            LUTs too, insists that no beat needs thresholds of its own.

    Raises:
        ValueError: a field is not one of these, or the results do not fit the output type.
    """

    name: str
    channels: int
    pe: int
    thresholds: Integers
    input_type: BaseDataType
    output_type: BaseDataType
    bias: int = 0
    num_vectors: tuple[int, ...] = (1,)
    search: Search = "binary"
    memory: Memory = "auto"

    def __post_init__(self) -> None:
        thresholds = np.array(self.thresholds)
        thresholds.setflags(write=False)
        object.__setattr__(self, "thresholds", thresholds)
        problem = self._problem()
        if problem is not None:
            raise ValueError(f"{self.name}: {problem}")

    def _problem(self) -> str | None:
        """Return what is wrong with the fields, or None."""
        rows = self.thresholds
        if self.pe < 1 or self.channels % self.pe:
            return f"expected a PE that divides {self.channels} channels, found {self.pe}; choose a divisor"
        if rows.ndim != 2 or rows.shape[0] not in (1, self.channels) or not 1 <= rows.shape[1] <= MAX_STEPS:
            return (
                f"expected thresholds (1 or {self.channels}, 1 to {MAX_STEPS}), found {rows.shape}; "
                "give one row for all channels or one per channel"
            )
        if rows.dtype.kind not in "iuO" or any(int(value) != value for value in rows.flat):
            return f"expected integer thresholds, found {rows.dtype}; round them up to the next integer"
        if (rows[:, 1:] < rows[:, :-1]).any():
            return "expected thresholds in ascending order, found others; sort each row"
        return self._output_problem() or self._memory_problem()

    def _output_problem(self) -> str | None:
        if not (self.input_type.is_integer() and self.output_type.is_integer()):
            return f"expected integer types, found {self.input_type} and {self.output_type}; extract the scales first"
        if self.is_bipolar:
            return None if self.steps == 1 else f"expected 1 threshold for a bipolar output, found {self.steps}"
        low, high = self.bias, self.bias + self.steps
        if not (self.output_type.allowed(low) and self.output_type.allowed(high)):
            return f"expected results {low} to {high} to fit {self.output_type}; choose a wider output type"
        return None

    def _memory_problem(self) -> str | None:
        if self.search not in ("binary", "parallel"):
            return f"expected search 'binary' or 'parallel', found {self.search!r}"
        if self.memory not in ("auto", "distributed", "block", "constant"):
            return f"expected memory 'auto', 'distributed', 'block' or 'constant', found {self.memory!r}"
        if self.memory == "block" and self.search == "parallel":
            return "expected thresholds of a parallel search in LUTs, found memory 'block'; search 'binary'"
        if self.memory == "constant" and self.sets > 1:
            return (
                f"expected thresholds that no beat changes, found {self.sets} sets of them; "
                f"choose PE {self.channels} or memory 'distributed'"
            )
        return None

    @property
    def steps(self) -> int:
        """Thresholds per channel."""
        return int(self.thresholds.shape[1])

    @property
    def fold(self) -> int:
        """Beats per vector."""
        return self.channels // self.pe

    @property
    def is_bipolar(self) -> bool:
        """Whether results are -1 and 1."""
        return bool(self.output_type.name == "BIPOLAR")

    @property
    def code_bits(self) -> int:
        """Stages of a binary search: the bits that hold every result, with a sign where the output type has one."""
        if self.is_bipolar:
            return 1
        low, high = self.bias, self.bias + self.steps
        if self.is_signed:
            return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1
        return high.bit_length()

    @property
    def is_signed(self) -> bool:
        """Whether results are numbers with a sign."""
        return not self.is_bipolar and int(self.output_type.min()) < 0

    @cached_property
    def coded(self) -> Integers:
        """Thresholds of the codes above 0, (PE, sets, 2 ** code_bits - 1), for values counted from their smallest.

        A code is the result, counted from the smallest number of `code_bits` bits. Thresholds are from 0, reached
        always, to 2 ** bits, reached never. Codes that no result has are padded with these.
        """
        bits = int(self.input_type.bitwidth())
        rows = self.thresholds.astype(object)
        if self.input_type.name == "BIPOLAR":
            rows = -((-1 - rows) // 2)
        elif int(self.input_type.min()) < 0:
            rows = rows + (1 << (bits - 1))
        rows = np.clip(rows, 0, 1 << bits)
        below = 0 if self.is_bipolar else self.bias + (self.is_signed << (self.code_bits - 1))
        above = (1 << self.code_bits) - 1 - below - self.steps
        rows = np.pad(rows, ((0, 0), (below, 0)), constant_values=0)
        rows = np.pad(rows, ((0, 0), (0, above)), constant_values=1 << bits)
        rows = np.broadcast_to(rows, (self.channels, rows.shape[1])).reshape(self.fold, self.pe, -1)
        sets = rows[:1] if (rows == rows[:1]).all() else rows
        return sets.transpose(1, 0, 2)

    @property
    def sets(self) -> int:
        """Sets of thresholds that the beats of a vector go through; 1 where all are the same."""
        return int(self.coded.shape[1])

    @cached_property
    def blocks(self) -> tuple[bool, ...]:
        """Which stages of a binary search have their thresholds in block RAM."""
        least = {"auto": BLOCK_DEPTH, "block": LUT_DEPTH + 1}.get(self.memory)
        return tuple(least is not None and self.sets << stage >= least for stage in range(self.code_bits))

    @cached_property
    def comparisons(self) -> tuple[tuple[Comparison, ...], ...]:
        """Comparisons per lane: by stage, lane in a binary search; by lane, code in a parallel one."""
        bits = int(self.input_type.bitwidth())
        if self.search == "parallel":
            return tuple(tuple(comparison(column, bits) for column in lane.T) for lane in self.coded)
        return tuple(
            tuple(comparison(lane[:, order].reshape(-1), bits, block=block) for lane in self.coded)
            for order, block in zip(search_order(self.code_bits), self.blocks, strict=True)
        )

    @property
    def latency(self) -> int:
        """Cycles from a beat to its result, nothing slowing it down."""
        return 2 if self.search == "parallel" else self.code_bits + sum(self.blocks)

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The values, PE channels per beat."""
        return (self._stream("in0_V", self.input_type),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The results in the same order."""
        return (self._stream("out0_V", self.output_type),)

    def _stream(self, name: str, data_type: BaseDataType) -> Stream:
        return Stream(name=name, data_type=data_type, elements=self.pe, beats=self.cycles())

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the results of values (frames, beats, PE), same shape."""
        values = np.asarray(inputs[0])
        attributes = {"outputDataType": self.output_type.name, "ActVal": self.bias}
        return (thresholding(attributes, values.reshape(-1, self.channels), self.thresholds).reshape(values.shape),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, which has the thresholds, and the library modules."""
        nodes = [node for group in self.comparisons for node in group]
        bits = int(self.input_type.bitwidth())
        parameters: dict[str, int | str] = {
            "LANES": self.pe,
            "VALUE_BITS": bits,
            "CODE_BITS": self.code_bits,
            "OUT_BITS": self.outputs[0].element_bits,
            "SETS": self.sets,
            "FLIP_IN": int(int(self.input_type.min()) < 0 and self.input_type.name != "BIPOLAR"),
            "FLIP_OUT": int(self.is_signed),
            "PARALLEL": int(self.search == "parallel"),
            "TABLE": literal(self._tables(), 1),
            "DROPS": literal((node.drop for node in nodes), 8),
            "WIDTHS": literal((node.bits for node in nodes), 8),
            "GROUPS": literal((node.group for node in nodes), 8),
            "STRICTS": literal((node.strict for node in nodes), 1),
            "BLOCKS": literal(self.blocks, 1),
        }
        body = instance("bfx_thresholding", parameters, one_to_one())
        return files_of(self.name, module(self, [body]), LIBRARY)

    def _tables(self) -> Iterator[int]:
        is_block = self.blocks if self.search == "binary" else (False,) * self.pe
        for group, block in zip(self.comparisons, is_block, strict=True):
            for node in group:
                yield from table(node, int(self.input_type.bitwidth()) + 1, block=block)

    def cycles(self) -> int:
        """Return a cycle per beat."""
        return math.prod(self.num_vectors) * self.fold

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return that each beat waits for itself."""
        return (np.arange(1, self.cycles() + 1),)
