"""Compiles a lowered graph into fused kernels that are proven equal to the emulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from finn_transforms.emulate.compiled.builder import run
from finn_transforms.emulate.compiled.stream import Stream
from finn_transforms.emulate.compiled.translate import Translator

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class CompiledEmulator:
    """A graph ready to run on batches; calling it gives what `emulate` gives for the graph's outputs.

    Attributes:
        inputs: by name, the integers an input may hold, None for real numbers.
        outputs: names of the outputs.
    """

    inputs: Mapping[str, IntRange | None]
    outputs: tuple[str, ...]
    _session: onnxruntime.InferenceSession
    _rows: Mapping[str, Array]
    _repeated: dict[str, Array] = field(default_factory=dict)

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the graph's outputs, float64, by name.

        Args:
            inputs: the graph's inputs by name, the batch first.

        Raises:
            KeyError: an input is missing.
            ValueError: an input is not a number, no float32 number, or outside its data type.
        """
        feeds = {name: self._checked(name, inputs) for name in self.inputs}
        if self._rows:
            feeds |= self._constants(len(next(iter(feeds.values()))))
        return dict(zip(self.outputs, run(self._session, feeds), strict=True))

    def _constants(self, batch: int) -> dict[str, Array]:
        """Return constant rows for every sample; those of the last batch size are kept."""
        if any(len(array) != batch for array in self._repeated.values()) or not self._repeated:
            self._repeated.update({name: np.tile(row, (batch, 1)) for name, row in self._rows.items()})
        return self._repeated

    def _checked(self, name: str, inputs: Mapping[str, Array]) -> Array:
        if name not in inputs:
            raise KeyError(f"expected an input named {name!r}, got {sorted(inputs)}")
        given = np.asarray(inputs[name])
        array = given if given.dtype == np.float32 else given.astype(np.float32)
        if array.size and np.isnan(array.min()):
            raise ValueError(f"input {name!r}: expected numbers, found NaN; check the data")
        if given.dtype != np.float32 and not np.array_equal(array, given):
            raise ValueError(f"input {name!r}: expected values that float32 holds; round them first, or use emulate")
        holds = self.inputs[name]
        if holds is not None and not (np.array_equal(array, np.rint(array)) and _within(array, holds)):
            raise ValueError(f"input {name!r}: expected integers in [{holds.low}, {holds.high}], found others")
        return array


def compile_emulator(model: ir.Model, *, threads: int = 1) -> CompiledEmulator:
    """Return a fast emulator of a lowered graph, equal to `emulate` bit for bit.

    Layers run on onnxruntime's integer kernels (float32 ones where no sum passes 2**24).  Thresholds become the
    rounding at the end of such a kernel, or a rounded line, or a table.  A kernel is only taken after it was run on
    every sum that the layer can reach, or on both sides of every threshold where there are too many, and gave the
    count of the thresholds.

    Args:
        model: a graph as `finn_transforms.passes.lower_to_hardware` leaves it; batches may be of any size.
        threads: threads in a kernel, 0 for as many as there are cores.

    Raises:
        CannotCompileError: a layer has no kernel that is proven equal, or may overflow; says which and what to do.
    """
    translator = Translator(model)
    outputs = [translator.output(value) for value in model.graph.outputs]
    inputs = [value for value in model.graph.inputs if value.const_value is None]
    ranges = {value.name or "": _range_of(translator.streams[value]) for value in inputs}
    specification: list[tuple[str, type[np.generic], list[int | str]]] = [
        (value.name or "", np.float32, ["batch", *_sizes(value)]) for value in inputs
    ]
    session = translator.builder.session(specification, outputs, threads)
    names = tuple(value.name or "" for value in model.graph.outputs)
    return CompiledEmulator(ranges, names, session, translator.builder.rows)


def _range_of(stream: Stream) -> IntRange | None:
    return None if stream.low is None else stream.integers


def _sizes(value: ir.Value) -> list[int]:
    return [] if value.shape is None else [int(size) for size in value.shape.numpy()[1:]]


def _within(array: Array, holds: IntRange) -> bool:
    return not array.size or bool(holds.low <= array.min() and array.max() <= holds.high)
