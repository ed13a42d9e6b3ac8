"""The token game of one unit: in which order it takes and gives beats, and when.

A unit is taken to be sequential: before an output beat it takes exactly the input beats that ``needs`` says, then it
gives the beat, and takes nothing more until its reader has room for it. It may even keep the beat it took last where it
found it, until it has given what it makes of it. Units may do better (take beats ahead, hold several results), never
worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finn_transforms.rtl import RtlUnit

Times = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Game:
    """The steps of a unit in one frame, in order; a step takes a beat of one or more inputs, or gives one.

    Attributes:
        takes: Per input, the step of each beat.
        gives: Per output, the step of each beat.
        steps: How many there are.
        follows: Whether a step gives a beat directly behind another beat of the same output, (steps,).
        waits: Clock cycles between a step and the one before it, (steps,); those of `follows` are 1 or more.
    """

    takes: tuple[Times, ...]
    gives: tuple[Times, ...]
    steps: int
    follows: NDArray[np.bool_]
    waits: Times

    def next_take(self, steps: Times) -> Times:
        """Return the first step behind each of `steps` that takes a beat, `self.steps` where there is none."""
        taking = np.append(np.unique(np.concatenate(self.takes)), self.steps)
        return taking[np.searchsorted(taking, steps, side="right")]

    def passing(self, frames: int, cycles: int | None = None) -> Times:
        """Return the clock cycles that pass up to each step of some frames, nothing holding the unit up.

        With `cycles`, a frame takes as many: what is to spare lies evenly between successive outputs; a unit that is
        quicker than its game, since it takes beats while it gives others, plays the same game at its own speed.
        """
        waits = self.waits
        repeats = int(self.follows.sum())
        if cycles is not None and repeats and cycles > waits.sum():
            waits = waits + self.follows * ((cycles - int(waits.sum())) // repeats)
        passed = np.cumsum(np.tile(waits, frames))
        total = int(waits.sum())
        return passed * cycles // total if cycles is not None and total > cycles else passed


def game_of(unit: RtlUnit) -> Game:
    """Return the steps of a unit.

    Raises:
        ValueError: ``needs`` does not grow, has a wrong length, or passes the input's beats.
    """
    beats = [stream.beats for stream in unit.inputs]
    return game_from(beats, [_checked_needs(unit, number) for number in range(len(unit.outputs))])


def game_of_row(units: Sequence[RtlUnit]) -> Game:
    """Return the steps of units of one input and one output, one behind the other, as if they were one unit."""
    waits = np.arange(1, units[0].inputs[0].beats + 1)
    for unit in units:
        waits = before(_checked_needs(unit, 0)[0], waits)
    return game_from([units[0].inputs[0].beats], [[waits]])


def before(counts: Times, waits: Times) -> Times:
    """Return what the last of so many beats waits for, 0 where there is none."""
    return np.concatenate([[0], waits])[counts]


def game_from(beats: Sequence[int], needs: Sequence[Sequence[Times]]) -> Game:
    """Return the steps of a unit with so many beats per input, and what its outputs' beats need of each input."""
    rows, outputs = _gives_in_order(needs)
    # The rest of the frame is taken behind the last output.
    counts = np.vstack([np.zeros((1, len(beats)), dtype=np.int64), rows, np.array(beats, dtype=np.int64)])
    taken = np.maximum.accumulate(counts, axis=0)
    deltas = np.diff(taken, axis=0)
    micro = deltas.max(axis=1, initial=0)  # steps that take, in front of each output
    given = np.concatenate([np.ones(len(rows), dtype=np.int64), [0]])
    ends = np.cumsum(micro + given)
    give_steps = (ends - 1)[:-1]
    first_take = ends - given - micro
    takes = tuple(
        np.repeat(first_take - taken[:-1, port], deltas[:, port]) + np.arange(count) for port, count in enumerate(beats)
    )
    steps = int(ends[-1])
    follows = np.zeros(steps, dtype=np.bool_)
    follows[give_steps[1:][(micro[1:-1] == 0) & (outputs[1:] == outputs[:-1])]] = True
    if micro[0] == 0:
        follows[give_steps[0]] = True
    # A beat taken each cycle; given in the cycle in which its last input was taken; different outputs side by side.
    waits = np.ones(steps, dtype=np.int64)
    waits[give_steps] = 0
    waits[follows] = 1
    gives = tuple(give_steps[outputs == number] for number in range(len(needs)))
    return Game(takes=takes, gives=gives, steps=steps, follows=follows, waits=waits)


def _checked_needs(unit: RtlUnit, output: int) -> list[Times]:
    beats = unit.outputs[output].beats
    needs = [np.asarray(each, dtype=np.int64) for each in unit.needs(output)]
    for each, source in zip(needs, unit.inputs, strict=True):
        if each.shape != (beats,) or (np.diff(each) < 0).any() or not 0 <= each[0] <= each[-1] <= source.beats:
            raise ValueError(
                f"{unit.name}: expected needs({output}) to be {beats} growing counts of at most {source.beats} beats "
                f"of {source.name}, found shape {each.shape}; correct the unit"
            )
    return needs


def _gives_in_order(needs: Sequence[Sequence[Times]]) -> tuple[Times, Times]:
    """Return what each beat of any output needs, (beats, inputs), in the order in which they leave, and its output."""
    together = np.concatenate([np.stack(each, axis=1) for each in needs])
    numbers = np.concatenate([np.full(len(each[0]), number) for number, each in enumerate(needs)])
    order = np.lexsort((numbers, together.sum(axis=1)))
    return together[order], numbers[order]


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """When a unit takes and gives its beats over some frames.

    Attributes:
        taken: Per input, the clock cycle of each beat, (frames * beats,).
        given: Per output, the clock cycle of each beat.
    """

    taken: tuple[Times, ...]
    given: tuple[Times, ...]


def play(game: Game, arrivals: Sequence[Times], cycles: int | None = None) -> Played:
    """Play some frames as early as possible.

    Args:
        game: the steps of the unit.
        arrivals: per input the cycle in which each beat is there, (frames * beats,).
        cycles: what a frame takes, see `Game.passing`.
    """
    frames = len(arrivals[0]) // len(game.takes[0])
    earliest = np.zeros(frames * game.steps, dtype=np.int64)
    takes = _tiled(game.takes, game.steps, frames)
    for steps, times in zip(takes, arrivals, strict=True):
        earliest[steps] = np.maximum(earliest[steps], times)
    passed = game.passing(frames, cycles)
    times = passed + np.maximum.accumulate(earliest - passed)
    return Played(
        taken=tuple(times[steps] for steps in takes),
        given=tuple(times[steps] for steps in _tiled(game.gives, game.steps, frames)),
    )


def _tiled(each: Sequence[Times], count: int, frames: int) -> list[Times]:
    return [(np.arange(frames)[:, np.newaxis] * count + steps).ravel() for steps in each]


def most_waiting(given: Times, taken: Times) -> int:
    """Return the largest number of beats that were given but not taken yet, at the end of any clock cycle."""
    at = np.unique(np.concatenate([given, taken]))
    waiting = np.searchsorted(given, at, side="right") - np.searchsorted(taken, at, side="right")
    return int(waiting.max(initial=0))
