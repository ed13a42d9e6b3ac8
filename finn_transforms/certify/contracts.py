"""Proves again, from the model's metadata alone, what training promised about its accumulators."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b, sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finn_transforms.certify.graph import Graph, Layer
from finn_transforms.certify.spans import Spans
from finn_transforms.certify.sparq import KIND as SPARQ_UNIT
from finn_transforms.certify.sparq import read_sparq_unit
from finn_transforms.certify.sums import Unit, read_unit

_KEY = "brevitas_ext.accumulator_contract"
_ORDER = "finn_transforms.channel_order"
_UNITS = ("MVAU", "ShiftMVAU", "SparqMVAU", "VVAU")


def contract_hash(graph: Graph) -> str | None:
    """Return the SHA-256 of the promises in the metadata, None where there are none."""
    text = graph.metadata.get(_KEY)
    return None if text is None else sha256(text.encode()).hexdigest()


def check_contracts(graph: Graph, spans: Spans) -> Iterator[tuple[str, int, str | None]]:
    """Yield, for each promise in the metadata, the trained layer, its promised width, and what is wrong with it."""
    text = graph.metadata.get(_KEY)
    if text is None:
        return
    found = ((layer, _unit(graph, layer, spans)) for layer in graph.layers if layer.kind in _UNITS)
    units = [
        (layer, unit, _in_trained_order(layer, [_digest(row) for row in unit.weights]))
        for layer, unit in found
        if unit is not None and unit.weights is not None
    ]
    for promise in json.loads(text)["layers"]:
        yield promise["layer"], promise["accumulator_bits"], _problem(promise, units)


def _unit(graph: Graph, layer: Layer, spans: Spans) -> Unit | None:
    if layer.kind != SPARQ_UNIT:
        return read_unit(graph, layer, spans)
    coded = read_sparq_unit(graph, layer)
    return None if coded is None else coded.unpaired()


def _in_trained_order(layer: Layer, digests: list[str]) -> list[str]:
    """Return what a layer has for its channels in the order of training, where a note says that it is another one.

    A wrong note does no harm: channels are then not those of the promise.
    """
    order = [int(channel) for channel in layer.metadata.get(_ORDER, "").split()]
    if sorted(order) != list(range(len(digests))):
        return digests
    return [digests[order.index(channel)] for channel in range(len(digests))]


def _problem(promise: dict[str, Any], units: list[tuple[Layer, Unit, list[str]]]) -> str | None:
    """Return why no layer of the graph keeps a promise, None where one does."""
    problem = "no hardware layer has the weights it was made for; report/refusals.json says which layers were left out"
    expected = promise["channel_digests"]
    zero = _digest(np.zeros(1, dtype=object))
    for layer, unit, digests in units:
        if len(digests) != len(expected):
            continue
        # Lowering may drop a channel that batch norm multiplies by zero.
        wrong = [
            channel
            for channel, (theirs, ours) in enumerate(zip(expected, digests, strict=True))
            if ours not in (theirs, zero)
        ]
        same = sum(theirs == ours for theirs, ours in zip(expected, digests, strict=True))
        if wrong:
            if same:
                problem = f"node {layer.name!r}, channel {wrong[0]}: other weights than the promise was made for"
            continue
        if same:
            broken = _overflow(promise, layer, unit)
            if broken is None:
                return None
            problem = broken
    return problem


def _overflow(promise: dict[str, Any], layer: Layer, unit: Unit) -> str | None:
    low, high = promise["input_low"], promise["input_high"]
    if unit.low.min() < low or unit.high.max() > high:
        return (
            f"node {layer.name!r}: promised for inputs in [{low}, {high}], the graph has "
            f"[{unit.low.min()}, {unit.high.max()}]"
        )
    limit = 2 ** (promise["accumulator_bits"] - 1)
    for channel, row in enumerate(unit.weights if unit.weights is not None else ()):
        terms = [sorted((int(weight) * low, int(weight) * high)) for weight in row]
        if promise["overflow"] == "any_order":
            ends = sum(min(0, term[0]) for term in terms), sum(max(0, term[1]) for term in terms)
        else:
            ends = sum(term[0] for term in terms), sum(term[1] for term in terms)
        if ends[0] < -limit or ends[1] >= limit:
            worst = ends[1] if ends[1] >= limit else ends[0]
            return f"node {layer.name!r}, channel {channel}: a sum reaches {worst}, {promise['accumulator_bits']} bits"
    return None


def _digest(row: NDArray[Any]) -> str:
    """Return the digest of a channel: its non-zero weights as a multiset, whichever sign the channel has."""
    counts = Counter(int(weight) for weight in row if weight)
    pairs = sorted(counts.items())
    mirrored = sorted((-weight, count) for weight, count in counts.items())
    text = ",".join(f"{weight}*{count}" for weight, count in max(pairs, mirrored))
    return blake2b(text.encode("ascii"), digest_size=8).hexdigest()
