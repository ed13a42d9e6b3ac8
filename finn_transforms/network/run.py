"""A network simulated on real data, compared with the emulator integer by integer, and timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.network.data import Reference, reference
from finn_transforms.network.depths import expected
from finn_transforms.network.graph import Network
from finn_transforms.network.stitch import Stitched
from finn_transforms.rtl.streams import Integers
from finn_transforms.sim import Bench, Simulation, SimulationError, Stalls


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first integer of a stream that is not as it should be.

    Attributes:
        where: Value of the graph that the stream carries, and the unit that gives it.
        frame: Number of the frame.
        beat: Number of the beat in the frame.
        element: Number of the element in the beat.
        expected: What it should be.
        found: What the hardware gave.
        wrong: How many integers of the stream are wrong.
    """

    where: str
    frame: int
    beat: int
    element: int
    expected: int
    found: int
    wrong: int

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.where}: {self.wrong} integers differ, the first in frame {self.frame}, beat {self.beat}, element "
            f"{self.element}: expected {self.expected}, found {self.found}"
        )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a simulated network did.

    Attributes:
        frames: Frames simulated.
        integers: Outputs compared.
        differences: First difference of each output that is wrong.
        first_layer: First difference inside the network, in the order of its units, where an output is wrong.
        latency: Clock cycles from the first beat in to the first beat out.
        interval: Clock cycles between the last two frames; None for a single frame.
        estimated_latency: From the schedule of one frame.
        estimated_interval: Cycles of the slowest unit.
        slowest: Its name.
    """

    frames: int
    integers: int
    differences: tuple[Difference, ...]
    first_layer: Difference | None
    latency: int
    interval: int | None
    estimated_latency: int
    estimated_interval: int
    slowest: str

    @property
    def equal(self) -> bool:
        """Whether every output is what the emulator says."""
        return not self.differences


def compare(
    model: ir.Model,
    stitched: Stitched,
    samples: Mapping[str, NDArray[Any]],
    *,
    stalls: Stalls | None = None,
    cache: Path | None = None,
) -> Comparison:
    """Simulate a network on samples and compare its outputs with the emulator's.

    Where an output differs, or the network stops, it is simulated again with all its streams in sight.

    Args:
        model: the graph that was stitched.
        stitched: its network.
        samples: values of the graph's inputs by name, the batch first.
        stalls: gaps and back-pressure; none by default.
        cache: where builds are kept, see `finn_transforms.sim.Bench`.

    Raises:
        SimulationError: Verilator warns, or the network breaks the rules of a stream or stops; says where.
        NetworkError: see `reference`.
    """
    truth = reference(model, stitched, samples)
    network = stitched.network
    try:
        done = _simulated(network, truth, stalls, cache)
    except SimulationError as error:
        if "deadlock" not in str(error):
            raise
        raise SimulationError(f"{error}\n{_stopped(stitched, truth, stalls, cache)}") from error
    differences = [
        first_difference(name, wanted, found)
        for name, wanted, found in zip(stitched.outputs, truth.outputs, done.outputs, strict=True)
    ]
    wrong = tuple(each for each in differences if each is not None)
    frames = len(truth.inputs[0])
    slowest = max(network.units, key=lambda unit: unit.cycles())
    return Comparison(
        frames=frames,
        integers=sum(array.size for array in truth.outputs),
        differences=wrong,
        first_layer=_first_wrong_layer(stitched, truth, stalls, cache) if wrong else None,
        latency=done.latency,
        interval=done.interval if frames > 1 else None,
        estimated_latency=expected(network).latency,
        estimated_interval=network.cycles(),
        slowest=layer_of(stitched, slowest.name),
    )


def layer_of(stitched: Stitched, unit: str) -> str:
    """Return the layer that a unit is, or the unit's own name where it is none."""
    places = {place: layer for layer, place in stitched.layers.items()}
    names = [each.name for each in stitched.network.units]
    return places.get(names.index(unit), unit)


def first_difference(where: str, wanted: Integers, found: Integers) -> Difference | None:
    """Return the first integer that differs, or None."""
    places = np.argwhere(wanted != found)
    if not len(places):
        return None
    place = tuple(int(index) for index in places[0])
    frame, beat, element = place
    return Difference(
        where=where, frame=frame, beat=beat, element=element, expected=int(wanted[place]), found=int(found[place]),
        wrong=len(places),
    )  # fmt: skip


def _simulated(network: Network, truth: Reference, stalls: Stalls | None, cache: Path | None) -> Simulation:
    return Bench([network], cache=cache, optimize=True).run(network, truth.inputs, stalls=stalls)


def _tapped(
    stitched: Stitched, truth: Reference, stalls: Stalls | None, cache: Path | None
) -> tuple[Network, Simulation]:
    network = replace(stitched.network, tapped=True)
    return network, _simulated(network, truth, stalls, cache)


def _first_wrong_layer(
    stitched: Stitched, truth: Reference, stalls: Stalls | None, cache: Path | None
) -> Difference | None:
    """Return the first stream inside, in the order of the units, that differs from their golden functions.

    None where all agree: then a golden function differs from the emulator's.
    """
    network, done = _tapped(stitched, truth, stalls, cache)
    golden = network.golden_links(*truth.inputs)
    order = sorted(range(len(network.links)), key=lambda number: network.links[number].source.unit)
    for number in order:
        link = network.links[number]
        unit = "the input" if link.source.unit < 0 else layer_of(stitched, network.units[link.source.unit].name)
        found = first_difference(f"{link.label} behind {unit}", golden[number], done.taps[number])
        if found is not None:
            return found
    return None


def _stopped(stitched: Stitched, truth: Reference, stalls: Stalls | None, cache: Path | None) -> str:
    """Return which streams stopped, by the names of the layers that give them."""
    network = replace(stitched.network, tapped=True)
    try:
        _simulated(network, truth, stalls, cache)
    except SimulationError as error:
        text = str(error)
    else:
        return "with all streams in sight it does not stop"
    lines = []
    for number, link in enumerate(network.links):
        found = next((part for part in text.split("; ") if part.startswith(f"tap{number}: ")), None)
        if found is not None:
            unit = "the input" if link.source.unit < 0 else layer_of(stitched, network.units[link.source.unit].name)
            lines.append(f"  behind {unit}: {found.split(': ', 1)[1]}")
    return "Streams inside that are not done:\n" + "\n".join(lines)
