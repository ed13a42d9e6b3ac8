"""How many beats each link has to hold so that a network never stops, and so that nothing slows it down.

Why this is a proof. Every link has one writer and one reader, a step of a unit that can be taken stays possible until it
is taken, and no step takes away what another one waits for. So all orders of steps lead equally far (a Kahn network
with bounded channels is determinate): if *one* order of steps runs through a frame without ever holding more beats on a
link than there is room for, then *every* order does, whatever gaps, back-pressure or clock cycles bring it about. The
order shown here feeds one beat, lets every unit do all it can, counts what is left on each link, and feeds the next.
All beats have left when a frame ends, so that the next frame finds the links as the first one did. The units are as
demanding as their ``needs`` allows, see `finn_transforms.network.schedule`; units that take beats ahead or hold results
only add room.

For full throughput the same game is played in clock cycles: beats arrive evenly at the rate of the slowest unit, each
unit gives its beats as slowly as its promised ``cycles`` allow, `LATENCY` cycles late. Links that hold what waits in
this schedule make it possible; a network that runs as early as it can is then nowhere later. This part rests on the
latency and on the even pace, which are assumptions: simulation confirms it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from finn_transforms.network.graph import OUTSIDE, Network, Port
from finn_transforms.network.schedule import Game, Played, Times, game_of, most_waiting, play, play_ahead

LATENCY = 12
"""Clock cycles that a beat is taken to spend in the registers of a unit."""

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
    safe, fast = safe_depths(network, games), _timing(network, games, spread=True).waiting
    return tuple(Depth(safe=a, fast=b) for a, b in zip(safe, fast, strict=True))


def expected(network: Network) -> Timing:
    """Return the schedule of one frame that arrives as fast as it is taken."""
    return _timing(network, [game_of(unit) for unit in network.units], spread=False)


def _timing(network: Network, games: list[Game], *, spread: bool) -> Timing:
    interval, frames = (network.cycles(), _FRAMES) if spread else (0, 1)
    arrivals = [
        _spread(stream.beats, frames, interval) if spread else np.arange(stream.beats) for stream in network.inputs
    ]

    def played(index: int, times: list[Times]) -> Played:
        game, cycles = games[index], network.units[index].cycles()
        if int(game.waits.sum()) > cycles:
            return play_ahead(game, times)
        return play(game, game.paced(cycles), times)

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


def safe_depths(network: Network, games: list[Game]) -> tuple[int, ...]:
    """Return how many beats each link has to hold so that the order of steps described above is possible.

    A unit goes on once all that it gave has been settled: its reader has released the beat, or there is room for it.
    A reader releases what it took when it goes on itself. Within a clock cycle units act in topological order.
    """
    # Longer than everything that one beat can set off: each step of each unit once.
    quiet = sum(int(game.waits.sum()) for game in games) + len(games) + 1
    beats = max(stream.beats for stream in network.inputs)
    arrivals = [_spread(stream.beats, 1, quiet * beats) for stream in network.inputs]
    results = _play_all(network, arrivals, lambda index, times: play(games[index], games[index].waits, times))
    link_from = {link.source: number for number, link in enumerate(network.links)}
    waiting = [0] * len(network.links)
    released: dict[Port, Times] = {}
    for index in reversed(range(len(games))):
        game, result = games[index], results[index]
        times = _times_of_steps(game, result)
        settled: list[Times] = []
        for number, (steps, given) in enumerate(zip(game.gives, result.given, strict=True)):
            link = link_from[Port(unit=index, stream=number)]
            target = network.links[link].target
            if target.unit == OUTSIDE:
                settled.append(given)
                continue
            goes_on = times[np.minimum(game.next_take(steps), np.append(steps[1:], game.steps))]
            room = np.arange(1, len(steps) + 1) - np.searchsorted(released[target], goes_on, side="left")
            waiting[link] = max(int(room.max()), 0)
            settled.append(np.maximum(given, np.concatenate([given[: waiting[link]], released[target]])[: len(given)]))
        for number, steps in enumerate(game.takes):
            goes_on_at = game.next_take(steps)
            last = times[goes_on_at - 1]
            for gives, done in zip(game.gives, settled, strict=True):
                before = np.searchsorted(gives, goes_on_at) - 1
                last = np.maximum(last, np.where(before >= 0, done[before], 0))
            released[Port(unit=index, stream=number)] = last
    return tuple(waiting)


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
