"""From a graph of hardware layers to one network of units: copies, width converters and FIFOs where they are needed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.islands import nodes_between_hardware
from finn_transforms.analysis.matching import is_hardware, layer_type
from finn_transforms.hw_graph import HwLayer, PoolParams, SwgParams, VvauParams, read_layer
from finn_transforms.network.depths import Depth, depths
from finn_transforms.network.graph import OUTSIDE, Link, Network, NetworkError, Port
from finn_transforms.rtl import Duplicate, Fifo, RtlUnit, Stream, WidthConverter
from finn_transforms.rtl.from_layer import unit_of
from finn_transforms.rtl.node_values import NoUnitError

UnitMaker = Callable[[HwLayer, ir.Node, str], RtlUnit]

_LEAST_FIFO = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Stitched:
    """A network and where its streams come from.

    Attributes:
        network: The network.
        inputs: Value of the graph that each input stream carries, computed by the host.
        outputs: Value that each output stream carries.
        layers: Place of each unit that is a layer of the graph, by the layer's name.
        depths: What the links needed before FIFOs were put in, with the links' labels.
    """

    network: Network
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: dict[str, int]
    depths: tuple[tuple[str, Depth], ...]


def stitch(model: ir.Model, name: str = "bfx_network", unit_for: UnitMaker = unit_of) -> Stitched:
    """Return the hardware layers of a model as one network.

    Args:
        model: a lowered, folded graph, e.g. ``hw_graph.onnx`` of ``bfx build``.
        name: name of the top module; the units' names begin with it.
        unit_for: gives the unit of a layer, of a node and of a name.

    Raises:
        NetworkError: the hardware layers are not one accelerator, or one of them has no unit; says which and why.
    """
    nodes = [node for node in model.graph if is_hardware(node)]
    between = nodes_between_hardware(model)
    if not nodes or between:
        found = f"{between[0].op_type} {between[0].name!r} between hardware layers" if between else "none"
        raise NetworkError(
            f"expected one accelerator of hardware layers, found {found}; see refusals.json of the build"
        )
    builder = _Builder(name=name)
    for node in nodes:
        builder.add_layer(node, unit_for)
    outputs = builder.finish(model)
    plain = Network(name=name, units=tuple(builder.units), links=tuple(builder.links))
    needed = depths(plain)
    network, place = _with_fifos(plain, needed)
    return Stitched(
        network=network,
        inputs=tuple(builder.inputs),
        outputs=outputs,
        layers={layer: place[index] for layer, index in builder.layers.items()},
        depths=tuple((link.label, depth) for link, depth in zip(plain.links, needed, strict=True)),
    )


@dataclass
class _Builder:
    """Units and links so far; `open` holds, per value of the graph, the ports that still have to be read."""

    name: str
    units: list[RtlUnit] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    layers: dict[str, int] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    open: dict[ir.Value, list[tuple[Port, Stream]]] = field(default_factory=dict)

    def add_layer(self, node: ir.Node, unit_for: UnitMaker) -> None:
        """Add the unit of a node, copies of what several read, and converters in front of it."""
        layer = read_layer(node)
        if layer is None:
            raise NetworkError(
                f"{node.op_type} {node.name!r}: expected a layer that has a unit, found none of its kind"
            )
        try:
            unit = unit_for(layer, node, self._unit_name(layer_type(node)))
        except NoUnitError as error:
            raise NetworkError(f"{node.op_type} {node.name!r}: {error}") from error
        read = [value for value in node.inputs if value is not None and constant(value) is None]
        if len(read) != len(unit.inputs):
            raise NetworkError(f"{node.op_type} {node.name!r}: expected {len(unit.inputs)} streams, found {len(read)}")
        for value in read:
            self._require_order(value, layer)
        sources = [self._source(value, stream) for value, stream in zip(read, unit.inputs, strict=True)]
        place = len(self.units)
        self.units.append(unit)
        self.layers[node.name or ""] = place
        for number, (value, source) in enumerate(zip(read, sources, strict=True)):
            self._link(source, Port(unit=place, stream=number), value)
        for number, (value, stream) in enumerate(zip(node.outputs, unit.outputs, strict=True)):
            self._offer(value, Port(unit=place, stream=number), stream)

    def finish(self, model: ir.Model) -> tuple[str, ...]:
        """Link what the host reads, in order, and return the values' names."""
        names: list[str] = []
        for node in model.graph:
            for value in node.outputs:
                for port, _ in self.open.pop(value, []):
                    self._link(port, Port(unit=OUTSIDE, stream=len(names)), value)
                    names.append(value.name or "")
        return tuple(names)

    def _require_order(self, value: ir.Value, reader: HwLayer) -> None:
        """Refuse a reader of windows, channel by channel, that takes others at a time: a converter keeps the order."""
        producer = value.producer()
        windows = read_layer(producer) if producer is not None and is_hardware(producer) else None
        if not (isinstance(windows, SwgParams) and windows.depthwise and isinstance(reader, VvauParams | PoolParams)):
            return
        whole = isinstance(reader, VvauParams) and reader.simd > 1
        if windows.simd != reader.pe or windows.parallel_window != whole:
            pixels = "all pixels" if whole else "one pixel"
            raise NetworkError(
                f"{value.name!r}: expected windows of PE = {reader.pe} channels, {pixels} at a time, for "
                f"{reader.name}, found SIMD = {windows.simd} and parallel_window = "
                f"{int(windows.parallel_window)}; fold both alike"
            )

    def _unit_name(self, kind: str) -> str:
        return f"{self.name}_{len(self.units)}_{re.sub(r'[^a-z0-9]+', '_', kind.lower())}"

    def _offer(self, value: ir.Value, port: Port, stream: Stream) -> None:
        """Make a stream available to all who read a value, copied if they are several."""
        readers = sum(1 for use in value.uses() if is_hardware(use.node))
        by_host = value.is_graph_output() or any(not is_hardware(use.node) for use in value.uses())
        copies = readers + by_host
        is_outside = port.unit == OUTSIDE
        copies = readers if is_outside else copies
        if copies <= 1:
            self.open[value] = [(port, stream)] * copies
            return
        unit = Duplicate(
            name=self._unit_name("copy"), data_type=stream.data_type, elements=stream.elements, beats=stream.beats,
            copies=copies,
        )  # fmt: skip
        place = len(self.units)
        self.units.append(unit)
        self._link(port, Port(unit=place), value)
        self.open[value] = [(Port(unit=place, stream=number), each) for number, each in enumerate(unit.outputs)]

    def _source(self, value: ir.Value, target: Stream) -> Port:
        """Return a port that gives a value as a unit wants it."""
        if value not in self.open:
            outer = Port(unit=OUTSIDE, stream=len(self.inputs))
            self.inputs.append(value.name or "")
            self._offer(value, outer, target)
        port, stream = self.open[value].pop(0)
        if not self.open[value]:
            del self.open[value]
        if stream.elements == target.elements:
            return port
        total = stream.elements * stream.beats
        if total != target.elements * target.beats:
            raise NetworkError(
                f"{value.name!r}: expected {target.elements * target.beats} elements per frame, found {total}"
            )
        unit = WidthConverter(
            name=self._unit_name("width"), data_type=stream.data_type, elements_in=stream.elements,
            elements_out=target.elements, elements=total,
        )  # fmt: skip
        place = len(self.units)
        self.units.append(unit)
        self._link(port, Port(unit=place), value)
        return Port(unit=place)

    def _link(self, source: Port, target: Port, value: ir.Value) -> None:
        self.links.append(Link(source=source, target=target, label=value.name or ""))


def _with_fifos(network: Network, needed: tuple[Depth, ...]) -> tuple[Network, dict[int, int]]:
    """Return the network with a FIFO in each link that has to hold beats, and the new places of its units."""
    buffered = [number for number, depth in enumerate(needed) if depth.beats]
    # A FIFO stands in front of the unit that reads it, so that the order stays topological.
    order: list[tuple[str, int]] = []
    for index in range(len(network.units)):
        order += [("fifo", number) for number in buffered if network.links[number].target.unit == index]
        order.append(("unit", index))
    place = {each: number for number, each in enumerate(order)}
    units: list[RtlUnit] = []
    for kind, index in order:
        if kind == "unit":
            units.append(network.units[index])
            continue
        stream = network.stream_of(network.links[index])
        depth = max(needed[index].beats, _LEAST_FIFO)
        units.append(
            Fifo(name=f"{network.name}_fifo{index}", data_type=stream.data_type, elements=stream.elements,
                 beats=stream.beats, depth=depth)
        )  # fmt: skip
    links: list[Link] = []
    for number, link in enumerate(network.links):
        source, target = (
            port if port.unit == OUTSIDE else replace(port, unit=place["unit", port.unit])
            for port in (link.source, link.target)
        )
        if number in buffered:
            fifo = Port(unit=place["fifo", number])
            links += [replace(link, source=source, target=fifo), replace(link, source=fifo, target=target)]
        else:
            links.append(replace(link, source=source, target=target))
    places = {index: number for (kind, index), number in place.items() if kind == "unit"}
    return replace(network, units=tuple(units), links=tuple(links)), places
