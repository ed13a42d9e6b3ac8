"""How many beats each link has to hold so that a network never stops, and so that nothing slows it down.

Why this is a proof. Every link has one writer and one reader, a step of a unit that can be taken stays possible until
it is taken, and no step takes away what another one waits for. So all orders of steps lead equally far (a Kahn network
with bounded channels is determinate): if *one* order of steps runs through a frame without ever holding more beats on
a link than there is room for, then *every* order does, whatever gaps, back-pressure or clock cycles bring it about.
The order shown here feeds one beat, lets every unit do all it can, counts what is left on each link, and feeds the
next. Units in a row, without fork or join, count as one unit with wires inside: each does its part when the next asks.
All beats have left when a frame ends, so that the next frame finds the links as the first one did. The units are as
demanding as their ``needs`` allows, see `finn_transforms.network.schedule`; units that take beats ahead or hold results
only add room.

For full throughput the same game is played in clock cycles: beats arrive evenly at the rate of the slowest unit, each
unit gives its beats as slowly as its promised ``cycles`` allow, `LATENCY` cycles late. Links that hold what waits in
this schedule make it possible; a network that runs as early as it can is then nowhere later. This part rests on the
latency and on the even pace, which are assumptions: links get `MARGIN` times as much, and simulation confirms it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from finn_transforms.network.graph import OUTSIDE, Network, Port
from finn_transforms.network.schedule import Game, Played, Times, game_of, game_of_row, most_waiting, play

LATENCY = 12
"""Clock cycles that a beat is taken to spend in the registers of a unit."""

MARGIN = 2
"""Room for full throughput, times what the schedule needs: real units are less even than it says."""

_FRAMES = 3


@dataclass(frozen=True, kw_only=True)
class Depth:
    """Beats that a link has to hold.

    Attributes:
        safe: So that the network cannot stop; 0: a wire will do.
        fast: So that it runs at the rate of its slowest unit.
    """

    safe: int
    fast: int

    @property
    def beats(self) -> int:
        """The larger of the two."""
        return max(self.safe, self.fast)


@dataclass(frozen=True, kw_only=True, eq=False)
class Timing:
    """A schedule of a network.

    Attributes:
        waiting: Beats per link that wait at most.
        latency: Clock cycles from the first beat in to the first beat out.
        finish: Clock cycles from the first beat in to the last beat out of the first frame.
    """

    waiting: tuple[int, ...]
    latency: int
    finish: int


def depths(network: Network) -> tuple[Depth, ...]:
    """Return what each link has to hold; see this module for why."""
    games = [game_of(unit) for unit in network.units]
    safe, fast = safe_depths(network), _timing(network, games, spread=True).waiting
    return tuple(Depth(safe=a, fast=b * MARGIN) for a, b in zip(safe, fast, strict=True))


def expected(network: Network) -> Timing:
    """Return the schedule of one frame that arrives as fast as it is taken."""
    return _timing(network, [game_of(unit) for unit in network.units], spread=False)


def _timing(network: Network, games: list[Game], *, spread: bool) -> Timing:
    interval, frames = (network.cycles(), _FRAMES) if spread else (0, 1)
    arrivals = [
        _spread(stream.beats, frames, interval) if spread else np.arange(stream.beats) for stream in network.inputs
    ]

    def played(index: int, times: list[Times]) -> Played:
        return play(games[index], times, network.units[index].cycles())

    results = _play_all(network, arrivals, played, LATENCY)
    given, taken = _given(results, arrivals, LATENCY), _taken(results)
    waiting = [
        0 if OUTSIDE in (link.source.unit, link.target.unit) else most_waiting(given[link.source], taken[link.target])
        for link in network.links
    ]
    ends = [
        given[link.source][: network.stream_of(link).beats] for link in network.links if link.target.unit == OUTSIDE
    ]
    return Timing(
        waiting=tuple(waiting),
        latency=int(min(times[0] for times in ends)),
        finish=int(max(times[-1] for times in ends)) + 1,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Row:
    """Units one behind the other, as one player of the game, and the links at its ends."""

    game: Game
    entering: tuple[int, ...]
    leaving: tuple[int, ...]


def _rows(network: Network) -> list[_Row]:
    """Return the units in rows without fork or join: inside a row wires will do, whatever is around it."""
    source_of = {link.target: link.source for link in network.links}
    link_from = {link.source: number for number, link in enumerate(network.links)}
    rows: list[list[int]] = []
    row_behind: dict[int, list[int]] = {}
    for index, unit in enumerate(network.units):
        feeder = source_of[Port(unit=index)].unit
        is_plain = len(unit.inputs) == len(unit.outputs) == 1
        row = row_behind.get(feeder) if is_plain else None
        if row is None:
            row = []
            rows.append(row)
        row.append(index)
        row_behind.pop(feeder, None)
        if is_plain:
            row_behind[index] = row
    return [
        _Row(
            game=game_of(network.units[row[0]])
            if len(row) == 1
            else game_of_row([network.units[index] for index in row]),
            entering=tuple(
                network.link_to[Port(unit=row[0], stream=port)] for port in range(len(network.units[row[0]].inputs))
            ),
            leaving=tuple(
                link_from[Port(unit=row[-1], stream=port)] for port in range(len(network.units[row[-1]].outputs))
            ),
        )
        for row in rows
    ]


def safe_depths(network: Network) -> tuple[int, ...]:
    """Return how many beats each link has to hold so that the order of steps described above is possible.

    A unit goes on once all that it gave has been settled: its reader has released the beat, or there is room for it.
    A reader releases what it took when it goes on itself. Within a clock cycle units act in topological order.
    """
    rows = _in_order(_rows(network), {link for link in range(len(network.links)) if _is_outer(network, link)})
    # Longer than everything that one beat can set off: each step of each unit once.
    quiet = sum(int(row.game.waits.sum()) for row in rows) + len(rows) + 1
    beats = max(stream.beats for stream in network.inputs)
    arrived: dict[int, Times] = {
        number: _spread(network.stream_of(link).beats, 1, quiet * beats)
        for number, link in enumerate(network.links)
        if _is_outer(network, number)
    }
    results: list[Played] = []
    for row in rows:
        result = play(row.game, [arrived[link] for link in row.entering])
        results.append(result)
        arrived.update(zip(row.leaving, result.given, strict=True))
    waiting = [0] * len(network.links)
    released: dict[int, Times] = {}
    for row, result in reversed(list(zip(rows, results, strict=True))):
        _release(network, row, result, waiting, released)
    return tuple(waiting)


def _is_outer(network: Network, link: int) -> bool:
    return network.links[link].source.unit == OUTSIDE


def _in_order(rows: list[_Row], ready: set[int]) -> list[_Row]:
    """Return rows so that each comes behind those that feed it."""
    ready, left, order = set(ready), list(rows), []
    while left:
        chosen = next(row for row in left if set(row.entering) <= ready)
        left.remove(chosen)
        ready.update(chosen.leaving)
        order.append(chosen)
    return order


def _release(network: Network, row: _Row, result: Played, waiting: list[int], released: dict[int, Times]) -> None:
    """Find how much the links behind a row have to hold, and when the row releases the beats that it took."""
    game, times = row.game, _times_of_steps(row.game, result)
    settled: list[Times] = []
    for link, steps, given in zip(row.leaving, game.gives, result.given, strict=True):
        if network.links[link].target.unit == OUTSIDE:
            settled.append(given)
            continue
        goes_on = times[np.minimum(game.next_take(steps), np.append(steps[1:], game.steps))]
        room = np.arange(1, len(steps) + 1) - np.searchsorted(released[link], goes_on, side="left")
        waiting[link] = max(int(room.max()), 0)
        settled.append(np.maximum(given, np.concatenate([given[: waiting[link]], released[link]])[: len(given)]))
    for link, steps in zip(row.entering, game.takes, strict=True):
        goes_on_at = game.next_take(steps)
        last = times[goes_on_at - 1]
        for gives, done in zip(game.gives, settled, strict=True):
            count = np.searchsorted(gives, goes_on_at) - 1
            last = np.maximum(last, np.where(count >= 0, done[count], 0))
        released[link] = last


def _times_of_steps(game: Game, result: Played) -> Times:
    """Return when each step of a frame is taken, and a time behind them all."""
    times = np.full(game.steps + 1, np.iinfo(np.int64).max)
    for steps, at in zip((*game.takes, *game.gives), (*result.taken, *result.given), strict=True):
        times[steps] = at
    return times


def _spread(beats: int, frames: int, interval: int) -> Times:
    """Return when beats arrive that are spread evenly over an interval per frame."""
    return (np.arange(beats * frames, dtype=np.int64) * interval) // beats


def _play_all(
    network: Network, arrivals: list[Times], played: Callable[[int, list[Times]], Played], latency: int = 0
) -> list[Played]:
    source_of = {link.target: link.source for link in network.links}
    results: list[Played] = []
    given = _given(results, arrivals, latency)
    for index, unit in enumerate(network.units):
        ports = [Port(unit=index, stream=number) for number in range(len(unit.inputs))]
        results.append(played(index, [given[source_of[port]] for port in ports]))
        given.update(
            (Port(unit=index, stream=number), times + latency) for number, times in enumerate(results[-1].given)
        )
    return results


def _given(results: list[Played], arrivals: list[Times], latency: int) -> dict[Port, Times]:
    """Return when the beats are there, by where they come from."""
    outside = {Port(unit=OUTSIDE, stream=number): times for number, times in enumerate(arrivals)}
    return outside | {
        Port(unit=index, stream=number): times + latency
        for index, result in enumerate(results)
        for number, times in enumerate(result.given)
    }


def _taken(results: list[Played]) -> dict[Port, Times]:
    return {
        Port(unit=index, stream=number): times
        for index, result in enumerate(results)
        for number, times in enumerate(result.taken)
    }
