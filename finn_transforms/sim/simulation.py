"""Units run on integers: what comes out, and in which clock cycle."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finn_transforms.rtl import RtlUnit, Stream
from finn_transforms.rtl.streams import Integers
from finn_transforms.sim.verilator import SimulationError, build

__all__ = ["Bench", "Simulation", "SimulationError", "Stalls", "simulate", "simulate_many"]

_ANY = 2**62
"""More beats than a simulation has: inside a unit the next frame may begin as far as it likes."""


@dataclass(frozen=True, kw_only=True)
class Stalls:
    """Gaps in front of a unit and back-pressure behind it, drawn at random in every cycle.

    Attributes:
        valid_probability: Chance per cycle that an input offers its next beat, in (0, 1].
        ready_probability: Chance per cycle that an output is taken, in (0, 1].
        ready_after_valid: Outputs are taken at the earliest one cycle after they were offered: finds a unit that waits
            for its reader before it offers anything.
    """

    valid_probability: float = 0.6
    ready_probability: float = 0.6
    ready_after_valid: bool = False

    def __post_init__(self) -> None:
        """Refuse chances that would never let a beat pass."""
        for name in ("valid_probability", "ready_probability"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ValueError(f"{name}: expected a number in (0, 1], found {value}; choose one above 0")


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulation:
    """What a unit did.

    Attributes:
        outputs: Integers per output, (frames, beats, elements).
        accepted: Per input the clock cycle of every beat, (frames, beats), counted from the end of the reset.
        produced: Per output the clock cycle of every beat, (frames, beats).
        taps: Per tap of the unit, its integers, (frames, beats, elements).
    """

    outputs: tuple[Integers, ...]
    accepted: tuple[NDArray[np.int64], ...]
    produced: tuple[NDArray[np.int64], ...]
    taps: tuple[Integers, ...] = ()

    @property
    def latency(self) -> int:
        """Clock cycles from the first beat accepted to the first produced."""
        return min(int(cycles.min()) for cycles in self.produced) - min(int(cycles.min()) for cycles in self.accepted)

    @property
    def interval(self) -> int:
        """Clock cycles between the last beats of the last two frames.

        Raises:
            ValueError: there is one frame only.
        """
        last = np.max([cycles[:, -1] for cycles in self.produced], axis=0)
        if len(last) < 2:
            raise ValueError(f"expected at least 2 frames, found {len(last)}; simulate more")
        return int(last[-1] - last[-2])


def _words(bits: int) -> int:
    return -(-bits // 64) * 2


def _write(stream: Stream, values: Integers, folder: Path) -> None:
    rows = stream.pack_bytes(values)
    filled = np.zeros((len(rows), _words(stream.tdata_bits) * 4), dtype=np.uint8)
    filled[:, : rows.shape[1]] = rows
    filled.tofile(folder / f"{stream.name}.in")


def _read(stream: Stream, folder: Path, frames: int) -> Integers:
    rows = np.fromfile(folder / f"{stream.name}.out", dtype=np.uint8).reshape(-1, _words(stream.tdata_bits) * 4)
    if np.unpackbits(rows, axis=-1, bitorder="little")[:, stream.bits :].any():
        raise SimulationError(
            f"{stream.name}: expected 0 above bit {stream.bits - 1} of tdata, found other bits; fill up"
        )
    return stream.unpack_bytes(rows).reshape(frames, stream.beats, stream.elements)


def _cycles(stream: Stream, folder: Path, frames: int) -> NDArray[np.int64]:
    return np.fromfile(folder / f"{stream.name}.cycles", dtype=np.int64).reshape(frames, stream.beats)


def _frames(unit: RtlUnit, inputs: Sequence[Integers]) -> int:
    expected = [(stream.beats, stream.elements) for stream in unit.inputs]
    found = [np.shape(values) for values in inputs]
    counts = {shape[0] for shape in found if shape}
    if len(counts) != 1 or [shape[1:] for shape in found] != expected or 0 in counts:
        raise ValueError(
            f"{unit.name}: expected inputs (frames, beats, elements) with (beats, elements) {expected}, found shapes "
            f"{found}; reshape them into the order of the streams"
        )
    return int(counts.pop())


def _beats_without_input(unit: RtlUnit, output: int) -> int:
    """Return with how many beats an output begins a frame before any input comes, e.g. the zeros above an image."""
    needs = np.max(unit.needs(output), axis=0)
    return len(needs) if not needs.any() else int(np.argmax(needs > 0))


class Bench:
    """Several units built into one model, each run on its own: a build costs seconds, a run costs milliseconds.

    Args:
        units: what to build, of different names.
        cache: where builds are kept; ``$BFX_CACHE``, else the user's cache folder, by default.
        optimize: whether to build for many clock cycles: it takes longer, and simulates several times as fast.

    Raises:
        SimulationError: Verilator or the compiler complains; every warning is an error.
        ValueError: two units have the same name, or other text for the same file.
    """

    def __init__(self, units: Sequence[RtlUnit], *, cache: Path | None = None, optimize: bool = False) -> None:
        self._folder = build(units, cache, optimize=optimize)
        self._position = {id(unit): index for index, unit in enumerate(units)}
        self._units = tuple(units)  # keeps their identities alive

    def run(
        self,
        unit: RtlUnit,
        inputs: Sequence[Integers],
        *,
        stalls: Stalls | None = None,
        seed: int = 0,
        patience: int | None = None,
    ) -> Simulation:
        """Simulate one of the units; arguments, result and errors as `simulate_many`.

        Beyond those: `patience`, the clock cycles in which no beat moves before a deadlock is reported, by default
        enough for the unit's ``cycles()``.
        """
        if id(unit) not in self._position:
            raise ValueError(
                f"expected one of the units that this bench was built for, found {unit.name}; build with it"
            )
        frames = _frames(unit, inputs)
        chosen = stalls or Stalls(valid_probability=1, ready_probability=1)
        slowest = min(chosen.valid_probability, chosen.ready_probability)
        wait = patience if patience is not None else int((2 * unit.cycles() + 2000) / slowest)
        settings = [seed, chosen.valid_probability, chosen.ready_probability, int(chosen.ready_after_valid), wait]
        totals = [frames * stream.beats for stream in unit.inputs]
        for index, stream in enumerate(unit.outputs):
            totals += [frames * stream.beats, _beats_without_input(unit, index)]
        for stream in unit.taps:
            totals += [frames * stream.beats, _ANY]
        with tempfile.TemporaryDirectory(prefix="bfx-sim-") as name:
            folder = Path(name)
            for stream, values in zip(unit.inputs, inputs, strict=True):
                _write(stream, values, folder)
            arguments = [self._position[id(unit)], *settings, folder, *totals]
            command = [str(self._folder / "bench"), *(str(each) for each in arguments)]
            done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SimulationError(f"{unit.name}: {done.stderr.strip() or f'the bench ends with {done.returncode}'}")
            return Simulation(
                outputs=tuple(_read(stream, folder, frames) for stream in unit.outputs),
                accepted=tuple(_cycles(stream, folder, frames) for stream in unit.inputs),
                produced=tuple(_cycles(stream, folder, frames) for stream in unit.outputs),
                taps=tuple(_read(stream, folder, frames) for stream in unit.taps),
            )


def simulate_many(
    cases: Sequence[tuple[RtlUnit, Sequence[Integers]]],
    *,
    stalls: Stalls | None = None,
    seed: int = 0,
    cache: Path | None = None,
) -> list[Simulation]:
    """Simulate several units, built together; see `Bench` to run them again in other ways.

    Args:
        cases: units, and per input of a unit its integers, (frames, beats, elements). A unit object may come several
            times; different ones have different names.
        stalls: gaps and back-pressure; none: every input always offers, every output is always taken.
        seed: of the stalls, of ``tdata`` without ``tvalid`` and of registers without reset.
        cache: where builds are kept; ``$BFX_CACHE``, else the user's cache folder, by default.

    Returns:
        One result per case.

    Raises:
        SimulationError: Verilator warns, a unit breaks the rules of an AXI stream (``tvalid`` falls or ``tdata``
            changes before a beat is taken, either depends on ``tready``), stops, or produces too many beats.
        ValueError: inputs of a wrong shape or with values outside the data type; two units of the same name.
    """
    for unit, inputs in cases:
        _frames(unit, inputs)
    bench = Bench(list({id(unit): unit for unit, _ in cases}.values()), cache=cache)
    return [bench.run(unit, inputs, stalls=stalls, seed=seed) for unit, inputs in cases]


def simulate(
    unit: RtlUnit,
    inputs: Sequence[Integers],
    *,
    stalls: Stalls | None = None,
    seed: int = 0,
    cache: Path | None = None,
) -> Simulation:
    """Simulate one unit; arguments, result and errors as `simulate_many`."""
    return simulate_many([(unit, inputs)], stalls=stalls, seed=seed, cache=cache)[0]
