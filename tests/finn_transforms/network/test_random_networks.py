"""Some of the networks that benchmarks/rtl_fuzz.py draws, and how tight the proven depths are."""

from dataclasses import replace

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_transforms.network import OUTSIDE, Depth, Link, Network, Port, depths
from finn_transforms.network.stitch import _with_fifos
from finn_transforms.rtl import Duplicate, Elementwise, Fifo, WidthConverter
from finn_transforms.sim import Bench, SimulationError, Stalls
from tests.support.random_unit_networks import random_unit_network, stream_inputs

pytest.importorskip("finn")
WAYS = (None, Stalls(), Stalls(ready_probability=0.2, ready_after_valid=True))


def test_forks_inside_forks_with_room_against_deadlocks_alone() -> None:
    networks = []
    for seed in (0, 7):
        plain = random_unit_network(seed, name=f"random{seed}")
        needed = tuple(replace(depth, fast=0) for depth in depths(plain))
        assert sum(isinstance(unit, Duplicate) for unit in plain.units) > 2
        networks.append(_with_fifos(plain, needed)[0])
    bench = Bench(networks)
    for network in networks:
        inputs = stream_inputs(network, 3)
        for seed, stalls in enumerate(WAYS):
            found = bench.run(network, inputs, stalls=stalls, seed=seed).outputs
            assert all(map(np.array_equal, found, network.golden(*inputs)))


class Exact(Fifo):
    """A FIFO of exactly the depth asked for."""

    @property
    def words(self) -> int:
        return self.depth - 1


def shortcut(name: str, room: int | None = None) -> Network:
    """Return a branch that collects 16 beats, and a shortcut around it, with so much room or a wire."""
    kind, beats = DataType["UINT4"], 48
    units = (
        Duplicate(name=f"{name}_copies", data_type=kind, elements=1, beats=beats),
        WidthConverter(name=f"{name}_wide", data_type=kind, elements_in=1, elements_out=16, elements=beats),
        WidthConverter(name=f"{name}_narrow", data_type=kind, elements_in=16, elements_out=1, elements=beats),
        Elementwise(
            name=f"{name}_sum", operation="add", left_type=kind, right_type=kind, output_type=DataType["UINT5"],
            elements=1, beats=beats,
        ),
    )  # fmt: skip
    ends = [(OUTSIDE, 0, 0, 0), (0, 0, 1, 0), (1, 0, 2, 0), (2, 0, 3, 0), (0, 1, 3, 1), (3, 0, OUTSIDE, 0)]
    links = tuple(Link(source=Port(unit=a, stream=b), target=Port(unit=c, stream=d)) for a, b, c, d in ends)
    network = Network(name=name, units=units, links=links)
    if room is None:
        return network
    needed = tuple(Depth(safe=room * (link.source == Port(unit=0, stream=1)), fast=0) for link in links)
    joined = _with_fifos(network, needed)[0]
    exact = [
        Exact(name=unit.name, data_type=kind, elements=1, beats=beats, depth=room, ram_style="distributed")
        if isinstance(unit, Fifo)
        else unit
        for unit in joined.units
    ]
    return replace(joined, units=tuple(exact))


def test_the_proven_depth_is_enough_and_one_less_stops() -> None:
    (room,) = [depth.safe for depth in depths(shortcut("wires")) if depth.safe]
    enough, less = shortcut("enough", room), shortcut("less", room - 1)
    bench = Bench([enough, less])
    inputs = stream_inputs(enough, 3)
    assert np.array_equal(bench.run(enough, inputs).outputs[0], 2 * inputs[0])
    with pytest.raises(SimulationError, match="deadlock"):
        bench.run(less, inputs)
