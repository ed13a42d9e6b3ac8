"""Whole networks in Verilator against the emulator, and what is said about wrong ones."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_transforms.folding import write_folding
from finn_transforms.hw_graph import SwgParams, read_hw_graph
from finn_transforms.network import OUTSIDE, Link, Network, NetworkError, Port, Stitched, compare, stitch
from finn_transforms.network.data import reference
from finn_transforms.passes import lower_to_hardware
from finn_transforms.rtl import Duplicate, Fifo, RtlUnit, WidthConverter
from finn_transforms.rtl.elementwise import Elementwise
from finn_transforms.rtl.mvau_lut import MvauLut
from finn_transforms.rtl.node_values import NoUnitError
from finn_transforms.sim import SimulationError, Stalls, simulate
from tests.support.foldable import depthwise_separable
from tests.support.graphs import GraphBuilder
from tests.support.stitched_networks import NETWORKS, folded_model, images

pytest.importorskip("finn")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_output_equals_the_emulator_and_cycles_are_as_estimated(name: str) -> None:
    model = folded_model(name)
    stitched = stitch(model)
    samples = images(name, 6)
    truth = reference(model, stitched, samples)
    assert all(map(np.array_equal, stitched.network.golden(*truth.inputs), truth.outputs))
    at_full_speed = compare(model, stitched, samples)
    assert at_full_speed.equal
    assert at_full_speed.interval == at_full_speed.estimated_interval == stitched.network.cycles()
    assert 0.7 < at_full_speed.latency / at_full_speed.estimated_latency < 1.1
    stalled = compare(model, stitched, samples, stalls=Stalls(valid_probability=0.4, ready_probability=0.3))
    assert stalled.equal
    assert stalled.latency > at_full_speed.latency


def test_only_a_fork_needs_room_against_deadlocks() -> None:
    assert all(depth.safe == 0 for name in ("mlp", "conv") for _, depth in stitch(folded_model(name)).depths)
    shortcuts = [label for label, depth in stitch(folded_model("residual")).depths if depth.safe]
    assert shortcuts
    assert all(label.startswith(("DuplicateStreams", "Thresholding")) for label in shortcuts)


def test_the_first_wrong_layer_is_named() -> None:
    model = folded_model("mlp")
    stitched = stitch(model)
    layer = [name for name in stitched.layers if name.startswith("MVAU")][1]
    place = stitched.layers[layer]
    unit = stitched.network.units[place]
    assert isinstance(unit, MvauLut)
    assert unit.weights is not None
    wrong = BadWeights(**fields_of(unit))
    units = (*stitched.network.units[:place], wrong, *stitched.network.units[place + 1 :])
    result = compare(model, replace(stitched, network=replace(stitched.network, units=units)), images("mlp", 4))
    assert not result.equal
    assert result.first_layer is not None
    assert result.first_layer.where.endswith(f"behind {layer}")
    assert "integers differ, the first in frame" in str(result.differences[0])


def fields_of(unit: MvauLut) -> dict[str, Any]:
    return {field.name: getattr(unit, field.name) for field in fields(MvauLut)}


class BadWeights(MvauLut):
    """Hardware with other weights than the golden function."""

    def sources(self) -> Mapping[str, str]:
        return MvauLut(**fields_of(self) | {"weights": np.asarray(self.weights)[::-1]}).sources()


def test_too_little_room_stops_and_the_streams_are_named() -> None:
    kind, beats = DataType["UINT4"], 32
    units: list[RtlUnit] = [
        Duplicate(name="copies", data_type=kind, elements=1, beats=beats),
        WidthConverter(name="widen", data_type=kind, elements_in=1, elements_out=16, elements=beats),
        WidthConverter(name="narrowed", data_type=kind, elements_in=16, elements_out=1, elements=beats),
        Fifo(name="shortcut", data_type=kind, elements=1, beats=beats, depth=2),
        Elementwise(
            name="sum", operation="add", left_type=kind, right_type=kind, output_type=DataType["UINT5"],
            elements=1, beats=beats,
        ),
    ]  # fmt: skip
    ends = [
        (OUTSIDE, 0, 0, 0),
        (0, 0, 1, 0),
        (1, 0, 2, 0),
        (2, 0, 4, 0),
        (0, 1, 3, 0),
        (3, 0, 4, 1),
        (4, 0, OUTSIDE, 0),
    ]
    links = tuple(
        Link(source=Port(unit=a, stream=b), target=Port(unit=c, stream=d), label=f"link{i}")
        for i, (a, b, c, d) in enumerate(ends)
    )
    network = Network(name="residual", units=tuple(units), links=links, tapped=True)
    values = np.random.default_rng(0).integers(0, 16, (3, beats, 1))
    with pytest.raises(
        SimulationError, match=r"(?s)deadlock.*tap0: \d+ of 96 beats passed.*tap6: 0 of 96 beats passed"
    ):
        simulate(network, [values])
    deep = replace(network, units=(*units[:3], replace(units[3], depth=16), units[4]))
    assert np.array_equal(simulate(deep, [values], stalls=Stalls()).outputs[0], 2 * values)


def test_a_layer_without_unit_is_refused_with_its_name() -> None:
    def no_unit(*_: object) -> RtlUnit:
        raise NoUnitError("expected something else; change it")

    with pytest.raises(NetworkError, match=r"MVAU 'MVAU_features.2_acc': expected something else"):
        stitch(folded_model("mlp"), unit_for=no_unit)


def test_links_are_checked() -> None:
    stitched: Stitched = stitch(folded_model("mlp"))
    network = stitched.network
    with pytest.raises(NetworkError, match="one link per stream"):
        replace(network, links=network.links[:-1])
    first = network.units[0]
    assert isinstance(first, MvauLut)
    with pytest.raises(NetworkError, match="same bits, signs, elements and beats"):
        replace(network, units=(replace(first, pe=first.mh), *network.units[1:]))


def test_windows_by_channels_are_folded_as_who_reads_them() -> None:
    graph = GraphBuilder((1, 12, 8, 8))
    model = graph.model(depthwise_separable(graph, graph.quant("x", 1.0, 3)))
    lower_to_hardware(model)
    stitch(model)
    layers = read_hw_graph(model)
    (windows,) = [each for each in layers.layers if isinstance(each, SwgParams) and each.depthwise]
    # A converter would be put in between, and hand out channels in the wrong order.
    wrong = [replace(each, simd=4) if each is windows else each for each in layers.layers]
    write_folding(model, replace(layers, layers=tuple(wrong)))
    with pytest.raises(NetworkError, match=r"PE = 1 channels, one pixel at a time, for .*, found SIMD = 4"):
        stitch(model)
