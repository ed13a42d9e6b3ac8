"""Units of the hardware library against their golden functions, in one build."""

from collections.abc import Sequence

import numpy as np

from finn_transforms.rtl import RtlUnit, Stream
from finn_transforms.rtl.streams import Integers
from finn_transforms.sim import Bench, Simulation, Stalls

WAYS = (Stalls(), Stalls(valid_probability=0.15), Stalls(ready_probability=0.15, ready_after_valid=True))


def random_values(stream: Stream, frames: int, seed: int) -> Integers:
    """Return integers (frames, beats, elements) of a stream's data type: its ends in the first frames, then any."""
    low, high = int(stream.data_type.min()), int(stream.data_type.max())
    shape = (frames, stream.beats, stream.elements)
    generator = np.random.default_rng(seed)
    values = generator.integers(low, high, shape, endpoint=True, dtype=np.int64)
    if stream.data_type.name == "BIPOLAR":
        return np.where(values < 0, -1, np.where(values > 0, 1, generator.choice([-1, 1], shape)))
    values[0], values[1] = low, high
    values[2] = generator.choice([low, high], shape[1:])
    return values


def inputs_of(unit: RtlUnit, frames: int = 5, seed: int = 0) -> list[Integers]:
    """Return integers for all inputs of a unit."""
    return [random_values(stream, frames, seed + index) for index, stream in enumerate(unit.inputs)]


def check_units(units: Sequence[RtlUnit], frames: int = 5, ways: Sequence[Stalls] = WAYS) -> dict[str, Simulation]:
    """Check results with and without stalls, throughput and what outputs wait for; return the runs without stalls.

    Bounds of `RtlUnit.needs` are seen where inputs come slowly: no output comes before the beats it waits for, and
    each comes soon after them.
    """
    bench = Bench(units)
    runs = {}
    for unit in units:
        inputs = inputs_of(unit, frames)
        wanted = unit.golden(*inputs)
        runs[unit.name] = free = bench.run(unit, inputs)
        for seed, stalls in enumerate((None, *ways)):
            found = free if stalls is None else bench.run(unit, inputs, stalls=stalls, seed=seed)
            for index, (output, expected) in enumerate(zip(found.outputs, wanted, strict=True)):
                np.testing.assert_array_equal(output, expected, f"{unit.name}, output {index}, {stalls}")
            check_needs(unit, found)
        assert free.interval == unit.cycles(), unit.name
    return runs


def check_needs(unit: RtlUnit, run: Simulation) -> None:
    """Check that no output came before the inputs that it is said to wait for.

    When a beat was offered is not recorded: behind the one before it was accepted, at the earliest.
    """
    for index, produced in enumerate(run.produced):
        for needed, accepted in zip(unit.needs(index), run.accepted, strict=True):
            assert needed.shape == produced.shape[1:], unit.name
            waits = needed > 1
            assert (produced[:, waits] > accepted[:, needed[waits] - 2]).all(), f"{unit.name}, output {index}"


def latency_behind_needs(unit: RtlUnit, run: Simulation) -> int:
    """Return the most cycles that an output of the first frame came after the inputs that it waits for."""
    worst = 0
    for index, produced in enumerate(run.produced):
        ready = np.zeros(produced.shape[1], dtype=np.int64)
        for needed, accepted in zip(unit.needs(index), run.accepted, strict=True):
            last = np.where(needed > 0, accepted[0, np.maximum(needed, 1) - 1], 0)
            ready = np.maximum(ready, last)
        worst = max(worst, int((produced[0] - ready).max()))
    return worst
