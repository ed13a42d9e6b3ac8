"""Whether the data types of hardware layers hold what is on their wires; the hardware cuts off what they do not."""

from __future__ import annotations

from collections.abc import Iterator

from finn_transforms.certify.graph import Graph, Layer, type_range
from finn_transforms.certify.spans import Spans

_INPUTS = {"InputDataType": 0, "inputDataType": 0, "lhs_dtype": 0, "rhs_dtype": 1}
_OUTPUTS = ("OutputDataType", "out_dtype", "outputDataType")
_UNITS = ("MVAU", "ShiftMVAU", "SparqMVAU", "VVAU")
_STORING = (*_UNITS, "Thresholding")


def cut_values(graph: Graph, spans: Spans) -> Iterator[tuple[str, str, str]]:
    """Yield name, data type and problem of each hardware layer that a data type is too narrow for."""
    for layer in graph.layers:
        if not layer.hardware:
            continue
        for attribute, name, value in _ports(layer):
            ends, span = type_range(name), spans.get(value)
            # An annotated type, as behind layers of the host, says no more than the declared one.
            if ends is None or span is None or not span.derived:
                continue
            low, high = span.low.min(), span.high.max()
            if low < ends[0] or high > ends[1]:
                yield layer.name, name, f"its {attribute} {name} holds {list(ends)}, the graph has [{low}, {high}]"
        if layer.kind in _STORING:
            yield from _memory_problems(graph, layer)
        if layer.kind in _UNITS:
            yield from _unit_problems(graph, layer)


def _ports(layer: Layer) -> Iterator[tuple[str, str, str]]:
    """Yield attribute, data type and value of each input and output whose type a layer states."""
    for attribute, index in _INPUTS.items():
        if attribute in layer.attributes and index < len(layer.inputs):
            yield attribute, layer.attributes[attribute], layer.inputs[index]
    for name, value in zip(layer.attributes.get("inputDataTypes", ()), layer.inputs, strict=False):
        yield "inputDataTypes", name, value
    for attribute in _OUTPUTS:
        if attribute in layer.attributes:
            yield attribute, layer.attributes[attribute], layer.outputs[0]


def _memory_problems(graph: Graph, layer: Layer) -> Iterator[tuple[str, str, str]]:
    """Yield the type of a layer's weights or thresholds if it does not hold them."""
    declared, stored = layer.attributes.get("weightDataType", ""), graph.constant(layer, 1)
    ends = type_range(declared)
    if ends is None or stored is None or not stored.size:
        return
    low, high = stored.min(), stored.max()
    no_sign = declared == "BIPOLAR" and bool((stored == 0).any())
    if low < ends[0] or high > ends[1] or no_sign:
        yield (
            layer.name,
            declared,
            f"its weightDataType {declared} does not hold its [{low:.0f}, {high:.0f}]",
        )


def _unit_problems(graph: Graph, layer: Layer) -> Iterator[tuple[str, str, str]]:
    """Yield the type that FINN adds up in if it does not hold the accumulator's.

    That is the type of the thresholds inside a unit, or of its output where there are none.
    """
    attributes = layer.attributes
    inside = len(layer.inputs) > 2 and not attributes.get("noActivation", 0)
    built = graph.types.get(layer.inputs[2], "") if inside else attributes.get("outputDataType", "")
    said = attributes.get("accDataType", "INT32")
    wanted, found = type_range(said), type_range(built)
    if wanted is not None and found is not None and (found[0] > wanted[0] or found[1] < wanted[1]):
        where = "thresholds" if inside else "output"
        yield layer.name, said, f"FINN adds up in the type of its {where}, {built}, which does not hold {said}"
