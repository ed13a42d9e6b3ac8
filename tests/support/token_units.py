"""Units without hardware, for the token game: only their streams and what they need."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from qonnx.core.datatype import DataType

from finn_transforms.network import OUTSIDE, Network, Port
from finn_transforms.network.schedule import game_of
from finn_transforms.rtl import RtlUnit, Stream
from finn_transforms.rtl.streams import Integers


@dataclass(frozen=True, kw_only=True)
class Tokens(RtlUnit):
    """Needs of each output by input, `needed[output][input][beat]`, and beats per input."""

    name: str
    needed: tuple[tuple[tuple[int, ...], ...], ...]
    beats: tuple[int, ...]
    interval: int = 0

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return tuple(_stream(f"in{i}_V", beats) for i, beats in enumerate(self.beats))

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return tuple(_stream(f"out{i}_V", len(needed[0])) for i, needed in enumerate(self.needed))

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        raise NotImplementedError

    def sources(self) -> Mapping[str, str]:
        raise NotImplementedError

    def cycles(self) -> int:
        return self.interval or max(*self.beats, *(len(needed[0]) for needed in self.needed))

    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        return tuple(np.array(each) for each in self.needed[output])


def _stream(name: str, beats: int) -> Stream:
    return Stream(name=name, data_type=DataType["UINT4"], elements=1, beats=beats)


def runs_through(network: Network, room: Sequence[int], seed: int, frames: int = 2) -> bool:
    """Execute the token game in random order with so much room per link; tell whether all frames leave."""
    game = _Execution(network, room, frames)
    chooser = random.Random(seed)
    order = list(range(len(network.units)))
    moving = True
    while moving:
        chooser.shuffle(order)
        moving = any(game.move(unit) for unit in order)
    return game.is_done()


class _Execution:
    """Units as bad as allowed.

    A unit goes on only when what it gave has been taken over by a FIFO with room or by its reader, and until then keeps
    what it took in the link in front of it.
    """

    def __init__(self, network: Network, room: Sequence[int], frames: int) -> None:
        self.network, self.room = network, room
        self.steps = [_steps(unit) * frames for unit in network.units]
        self.at = [0] * len(self.steps)
        self.kept: list[list[int]] = [[] for _ in self.steps]  # links whose first beat the unit keeps
        self.released = [0] * len(network.links)
        self.given = [
            frames * network.stream_of(link).beats if link.source.unit == OUTSIDE else 0 for link in network.links
        ]
        self.link_from = {link.source: number for number, link in enumerate(network.links)}

    def is_done(self) -> bool:
        return all(at == len(steps) for at, steps in zip(self.at, self.steps, strict=True))

    def move(self, unit: int) -> bool:
        """Take one step; return whether anything happened."""
        ends = self.at[unit] == len(self.steps[unit])
        kind, ports = ("end", ()) if ends else self.steps[unit][self.at[unit]]
        if kind == "give":
            return self._give(unit, ports[0])
        if not all(self._has_room(unit, port) for port in range(len(self.network.units[unit].outputs))):
            return False
        if self.kept[unit]:
            for link in self.kept[unit]:
                self.released[link] += 1
            self.kept[unit].clear()
            return True
        return kind == "take" and self._take(unit, ports)

    def _has_room(self, unit: int, port: int) -> bool:
        link = self.link_from[Port(unit=unit, stream=port)]
        is_outside = self.network.links[link].target.unit == OUTSIDE
        return is_outside or self.given[link] - self.released[link] <= self.room[link]

    def _give(self, unit: int, port: int) -> bool:
        if not self._has_room(unit, port):
            return False
        self.given[self.link_from[Port(unit=unit, stream=port)]] += 1
        self.at[unit] += 1
        return True

    def _take(self, unit: int, ports: tuple[int, ...]) -> bool:
        links = [self.network.link_to[Port(unit=unit, stream=port)] for port in ports]
        if any(self.given[link] <= self.released[link] for link in links):
            return False
        self.kept[unit].extend(links)
        self.at[unit] += 1
        return True


def _steps(unit: RtlUnit) -> list[tuple[str, tuple[int, ...]]]:
    game = game_of(unit)
    steps: list[tuple[str, tuple[int, ...]]] = [("", ())] * game.steps
    for port, places in enumerate(game.takes):
        for place in places:
            steps[place] = ("take", (*steps[place][1], port))
    for port, places in enumerate(game.gives):
        for place in places:
            assert steps[place] == ("", ())
            steps[place] = ("give", (port,))
    assert all(kind for kind, _ in steps)
    return steps
