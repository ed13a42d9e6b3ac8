"""The files of a network: SystemVerilog, and a manifest that says what is in them."""

from __future__ import annotations

from typing import Any

from finn_transforms.network.depths import expected
from finn_transforms.network.graph import OUTSIDE, Port
from finn_transforms.network.stitch import Stitched
from finn_transforms.rtl import Fifo, Stream


def manifest(stitched: Stitched) -> dict[str, Any]:
    """Return what the network consists of, as a JSON document."""
    network = stitched.network
    layer_at = {place: layer for layer, place in stitched.layers.items()}
    timing = expected(network)
    return {
        "top": network.name,
        "files": sorted(network.sources()),
        "cycles": {
            "interval": network.cycles(),
            "first_output": timing.latency,
            "first_frame": timing.finish,
            "slowest": max(network.units, key=lambda unit: unit.cycles()).name,
        },
        "inputs": [_described(*each) for each in zip(network.inputs, stitched.inputs, strict=True)],
        "outputs": [_described(*each) for each in zip(network.outputs, stitched.outputs, strict=True)],
        "units": [
            {
                "name": unit.name,
                "kind": type(unit).__name__,
                "layer": layer_at.get(place),
                "cycles": unit.cycles(),
                "inputs": [_described(stream) for stream in unit.inputs],
                "outputs": [_described(stream) for stream in unit.outputs],
                **({"depth": unit.depth, "capacity": unit.capacity} if isinstance(unit, Fifo) else {}),
            }
            for place, unit in enumerate(network.units)
        ],
        "links": [
            {"from": _end(stitched, link.source), "to": _end(stitched, link.target), "value": link.label}
            for link in network.links
        ],
        "depths": [
            {"value": label, "no_deadlock": depth.safe, "full_throughput": depth.fast}
            for label, depth in stitched.depths
            if depth.beats
        ],
    }


def _described(stream: Stream, value: str | None = None) -> dict[str, Any]:
    described: dict[str, Any] = {} if value is None else {"value": value}
    return described | {
        "stream": stream.name,
        "data_type": stream.data_type.name,
        "elements": stream.elements,
        "beats": stream.beats,
        "tdata_bits": stream.tdata_bits,
    }


def _end(stitched: Stitched, port: Port) -> str:
    unit = "network" if port.unit == OUTSIDE else stitched.network.units[port.unit].name
    return f"{unit}.{port.stream}"
