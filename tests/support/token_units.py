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
    """Execute the token game in random order with so much room per link; tell whether all frames leave.

    Units as bad as allowed: a unit goes on only when what it gave has been taken over by a FIFO with room or by its
    reader, and until then keeps what it took in the link in front of it.
    """
    chooser = random.Random(seed)
    steps = [_steps(unit) * frames for unit in network.units]
    at = [0] * len(steps)
    given, released = [0] * len(network.links), [0] * len(network.links)
    pending: list[list[int]] = [[] for _ in steps]  # links whose first beat the unit keeps
    total = [frames * network.stream_of(link).beats for link in network.links]
    to = {link.target: number for number, link in enumerate(network.links)}
    out = {link.source: number for number, link in enumerate(network.links)}
    for number, link in enumerate(network.links):
        if link.source.unit == OUTSIDE:
            given[number] = total[number]

    def settled(unit: int) -> bool:
        links = [out[Port(unit=unit, stream=port)] for port in range(len(network.units[unit].outputs))]
        return all(
            network.links[each].target.unit == OUTSIDE or given[each] - released[each] <= room[each] for each in links
        )

    def move(unit: int) -> bool:
        """Take one step; return whether anything happened."""
        if at[unit] == len(steps[unit]) and not pending[unit]:
            return False
        kind, ports = steps[unit][at[unit]] if at[unit] < len(steps[unit]) else ("take", ())
        if kind == "give":
            link = out[Port(unit=unit, stream=ports[0])]
            behind = network.links[link].target.unit != OUTSIDE and given[link] - released[link] > room[link]
            if behind:
                return False
            given[link] += 1
            at[unit] += 1
            return True
        if not settled(unit):
            return False
        if pending[unit]:
            for link in pending[unit]:
                released[link] += 1
            pending[unit].clear()
            return True
        links = [to[Port(unit=unit, stream=port)] for port in ports]
        if not links or any(given[link] <= released[link] for link in links):
            return False
        pending[unit].extend(links)
        at[unit] += 1
        return True

    while True:
        order = list(range(len(steps)))
        chooser.shuffle(order)
        if not any(move(unit) for unit in order):
            break
    return all(at[unit] == len(steps[unit]) for unit in range(len(steps)))


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
