"""Units joined by streams into one unit: the whole accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from finn_transforms.network.schedule import before
from finn_transforms.rtl import RtlUnit, Stream
from finn_transforms.rtl.streams import Integers

OUTSIDE = -1
"""Place of the network's own streams among the units."""


class NetworkError(ValueError):
    """A network cannot be built from hardware layers."""


@dataclass(frozen=True, kw_only=True, order=True)
class Port:
    """One stream of one unit.

    Attributes:
        unit: Place of the unit in the network; `OUTSIDE`: of the network itself.
        stream: Number of the stream among its outputs, where a link begins, or its inputs, where it ends.
    """

    unit: int
    stream: int = 0


@dataclass(frozen=True, kw_only=True)
class Link:
    """A stream from one port to another; outside, from the network's input or to its output of that number.

    Attributes:
        source: Where it comes from.
        target: Where it goes.
        label: Whose values it carries, for messages: the value's name in the graph.
    """

    source: Port
    target: Port
    label: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Network(RtlUnit):
    """Units and the links between them, a unit again.

    Attributes:
        name: Name of the top module.
        units: In topological order, of different names.
        links: One for each stream of each unit.
        tapped: Whether the top module shows every link to a simulation.

    Raises:
        NetworkError: a stream is not linked exactly once, runs backwards, or its ends differ.
    """

    name: str
    units: tuple[RtlUnit, ...]
    links: tuple[Link, ...]
    tapped: bool = False

    def __post_init__(self) -> None:
        """Check that every stream of every unit has one link, and that both ends of a link agree."""
        ports = {(index, side, number) for index, unit in enumerate(self.units)
                 for side, streams in (("source", unit.outputs), ("target", unit.inputs))
                 for number in range(len(streams))}  # fmt: skip
        linked = [(port.unit, side, port.stream) for link in self.links
                  for side, port in (("source", link.source), ("target", link.target))]  # fmt: skip
        inside = [port for port in linked if port[0] != OUTSIDE]
        if len(inside) != len(set(inside)) or set(inside) != ports or len(linked) != len(set(linked)):
            wrong = sorted(ports.symmetric_difference(inside)) or sorted(
                {each for each in linked if linked.count(each) > 1}
            )
            raise NetworkError(f"{self.name}: expected one link per stream, found none or several for {wrong[0]}")
        for link in self.links:
            if OUTSIDE not in (link.source.unit, link.target.unit):
                self._require_fit(link)

    def _require_fit(self, link: Link) -> None:
        source = self.units[link.source.unit].outputs[link.source.stream]
        target = self.units[link.target.unit].inputs[link.target.stream]
        found = [_shape(stream) for stream in (source, target)]
        if link.source.unit >= link.target.unit or found[0] != found[1]:
            raise NetworkError(
                f"{self.units[link.source.unit].name} to {self.units[link.target.unit].name} ({link.label}): expected "
                f"the same bits, signs, elements and beats on both sides and units in order, found {found[0]} and "
                f"{found[1]}; convert the stream"
            )

    @cached_property
    def link_to(self) -> Mapping[Port, int]:
        """Number of the link that ends at a port."""
        return {link.target: number for number, link in enumerate(self.links)}

    def stream_of(self, link: Link) -> Stream:
        """Return the stream that a link carries, as the unit at one of its ends describes it."""
        if link.source.unit != OUTSIDE:
            return self.units[link.source.unit].outputs[link.source.stream]
        return self.units[link.target.unit].inputs[link.target.stream]

    def _outside(self, side: str) -> list[Link]:
        found = [link for link in self.links if getattr(link, side).unit == OUTSIDE]
        return sorted(found, key=lambda link: int(getattr(link, side).stream))

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The streams that enter the network."""
        return tuple(_renamed(self.stream_of(link), f"in{i}_V") for i, link in enumerate(self._outside("source")))

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The streams that leave the network."""
        return tuple(_renamed(self.stream_of(link), f"out{i}_V") for i, link in enumerate(self._outside("target")))

    @property
    def taps(self) -> tuple[Stream, ...]:
        """Every link, where the top module shows them."""
        if not self.tapped:
            return ()
        return tuple(_renamed(self.stream_of(link), f"tap{number}") for number, link in enumerate(self.links))

    def golden_links(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the integers on every link, (frames, beats, elements) each."""
        values: dict[Port, Integers] = {Port(unit=OUTSIDE, stream=number): each for number, each in enumerate(inputs)}
        source_of = {link.target: link.source for link in self.links}
        for index, unit in enumerate(self.units):
            operands = [values[source_of[Port(unit=index, stream=number)]] for number in range(len(unit.inputs))]
            for number, result in enumerate(unit.golden(*operands)):
                values[Port(unit=index, stream=number)] = result
        return tuple(values[link.source] for link in self.links)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return what leaves the last units."""
        values = self.golden_links(*inputs)
        return tuple(values[self.links.index(link)] for link in self._outside("target"))

    def sources(self) -> Mapping[str, str]:
        """Return the top module and the files of all units.

        Raises:
            NetworkError: two units give different text for the same file.
        """
        from finn_transforms.network.top import top_module

        gathered: dict[str, str] = {}
        for unit in self.units:
            for file, text in unit.sources().items():
                if gathered.setdefault(file, text) != text:
                    raise NetworkError(f"{file}: {unit.name} gives other text than a unit before it; rename the file")
        return {**gathered, f"{self.name}.sv": top_module(self)}

    def cycles(self) -> int:
        """Return the cycles of the slowest unit."""
        return max(unit.cycles() for unit in self.units)

    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        """Return how many beats of each input of the network an output's beats wait for, unit by unit."""
        return tuple(self._needs_of(output, number) for number in range(len(self.inputs)))

    def _needs_of(self, output: int, number: int) -> Integers:
        waits: dict[Port, Integers] = {
            link.source: np.arange(1, self.stream_of(link).beats + 1) * (link.source.stream == number)
            for link in self._outside("source")
        }
        source_of = {link.target: link.source for link in self.links}
        for index, unit in enumerate(self.units):
            operands = [waits[source_of[Port(unit=index, stream=port)]] for port in range(len(unit.inputs))]
            for port in range(len(unit.outputs)):
                counts = unit.needs(port)
                pairs = zip(counts, operands, strict=True)
                waits[Port(unit=index, stream=port)] = np.max(
                    [before(np.asarray(each, dtype=np.int64), times) for each, times in pairs], axis=0
                )
        return waits[source_of[Port(unit=OUTSIDE, stream=output)]]


def _shape(stream: Stream) -> tuple[int, bool, int, int]:
    """Return what both ends of a link have to agree on: bits and sign of an element, elements, beats."""
    kind = stream.data_type
    return stream.element_bits, kind.name != "BIPOLAR" and int(kind.min()) < 0, stream.elements, stream.beats


def _renamed(stream: Stream, name: str) -> Stream:
    return Stream(name=name, data_type=stream.data_type, elements=stream.elements, beats=stream.beats)


def linear(name: str, units: Sequence[RtlUnit]) -> Network:
    """Return units in a row, each of one input and one output, as a network."""
    ends = [OUTSIDE, *range(len(units)), OUTSIDE]
    links = [Link(source=Port(unit=a), target=Port(unit=b)) for a, b in pairwise(ends)]
    return Network(name=name, units=tuple(units), links=tuple(links))
