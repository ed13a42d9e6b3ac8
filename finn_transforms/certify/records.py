"""Checks one certificate against the terms that the graph gives a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finn_transforms.certify.counts import Pair
from finn_transforms.certify.graph import type_range
from finn_transforms.certify.sparq import SparqUnit
from finn_transforms.certify.sums import Span, Unit

_LARGEST = 1 << 24


class BrokenError(Exception):
    """A certificate does not hold; the message says what is wrong."""


@dataclass(frozen=True)
class Terms:
    """What a layer adds up: terms of a unit or pool, in code or not, two combined operands, or two counts."""

    unit: Unit | None = None
    pooled: bool = False
    operands: tuple[Span, ...] = ()
    combine: Callable[[Span, Span], Span] | None = None
    pair: Pair | None = None
    coded: SparqUnit | None = None


def check_record(terms: Terms, record: dict[str, Any]) -> str:
    """Check a certificate and return what it shows.

    Raises:
        BrokenError: something does not hold.
    """
    if terms.unit is not None:
        notes = _check_unit(terms.unit, terms.pooled, record)
    elif terms.coded is not None:
        notes = _check_coded(terms.coded, record)
    elif terms.pair is not None:
        notes = _check_pair(terms.pair, record)
    else:
        notes = _check_operands(terms, record)
    return "; ".join([*notes, _check_minimality(record)])


def numbers(text: str) -> list[int]:
    """Return the integers that a text with counted runs stands for: ``"0*2 3"`` is ``[0, 0, 3]``."""
    result: list[int] = []
    for word in text.split():
        value, _, count = word.partition("*")
        if int(count or 1) < 1 or len(result) + int(count or 1) > _LARGEST:
            raise ValueError(f"expected runs of one to {_LARGEST} numbers, got {word!r}")
        result.extend([int(value)] * int(count or 1))
    return result


def _check_unit(unit: Unit, pooled: bool, record: dict[str, Any]) -> list[str]:
    notes = []
    digest = None if pooled else unit.digest()
    certified = (record["weights"] or {}).get("sha256")
    if digest != certified:
        raise BrokenError(f"the weights have SHA-256 {digest}, the certificate is for {certified}")
    unit, note = _with_inputs(unit, record, pooled)
    notes += note
    partial = record["overflow"] == "any_order"
    if record["overflow"] not in ("any_order", "wrap"):
        raise BrokenError(f"overflow is {record['overflow']!r}, expected 'any_order' or 'wrap'")
    lowest, highest = unit.sums(partial=partial)
    _check_fit(record, lowest, highest)
    for side, extreme, pick in (("lowest", lowest, np.min), ("highest", highest, np.max)):
        witness = record[side]
        if witness["value"] != pick(extreme):
            channel = int(np.argmin(extreme) if side == "lowest" else np.argmax(extreme))
            raise BrokenError(f"the {side} sum is {pick(extreme)} in channel {channel}, not {witness['value']}")
        _replay(unit, witness, side, partial=partial)
    fits = "every partial sum fits" if partial else "the final sum fits, partial ones wrap around"
    return [*notes, f"{fits}: [{lowest.min()}, {highest.max()}]"]


def _check_coded(unit: SparqUnit, record: dict[str, Any]) -> list[str]:
    """Check the certificate of a unit that reads SPARQ's code: its activations are any from 0 to 255."""
    certified = (record["weights"] or {}).get("sha256")
    if unit.digest() != certified:
        raise BrokenError(f"the weights have SHA-256 {unit.digest()}, the certificate is for {certified}")
    if record["overflow"] not in ("any_order", "wrap"):
        raise BrokenError(f"overflow is {record['overflow']!r}, expected 'any_order' or 'wrap'")
    lowest, highest = unit.sums()
    _check_fit(record, lowest, highest)
    for side, value in (("lowest", int(lowest.min())), ("highest", int(highest.max()))):
        witness = record[side]
        channel, activations = witness["channel"], numbers(witness["inputs"])
        if witness["value"] != value:
            raise BrokenError(f"the {side} sum is {value}, not {witness['value']}")
        in_range = all(0 <= x < len(unit.alone) for x in activations)
        if not 0 <= channel < unit.channels or len(activations) != unit.length or not in_range:
            raise BrokenError(
                f"the witness of the {side} sum is no {unit.length} activations of one of {unit.channels} channels"
            )
        terms = zip(unit.weights[channel], unit.worth(activations), strict=True)
        if (total := sum(int(weight) * worth for weight, worth in terms)) != value:
            raise BrokenError(f"channel {channel}: the witness of the {side} sum adds up to {total}, not {value}")
    return [f"every sum of pairs fits: [{lowest.min()}, {highest.max()}]"]


def _with_inputs(unit: Unit, record: dict[str, Any], pooled: bool) -> tuple[Unit, list[str]]:
    """Compare the inputs' range with the one that the graph implies; take it where the graph says only the type."""
    shape = (unit.channels, unit.low.shape[-1])
    implied = [np.broadcast_to(side, shape) for side in (unit.low, unit.high)]
    certified = [_spread(numbers(record["inputs"][side]), shape, pooled) for side in ("low", "high")]
    if unit.derived:
        for side, ours, theirs in zip(("low", "high"), implied, certified, strict=True):
            if (wrong := np.argwhere(ours != theirs)).size:
                channel, tap = wrong[0]
                raise BrokenError(
                    f"channel {channel}, input {tap}: its {side}est value is {ours[channel, tap]} in the graph, "
                    f"{theirs[channel, tap]} in the certificate"
                )
        return unit, []
    outside = (certified[0] < implied[0]) | (certified[1] > implied[1]) | (certified[0] > certified[1])
    if (wrong := np.argwhere(outside)).size:
        channel, tap = wrong[0]
        (claimed_low, low), (claimed_high, high) = (
            (theirs[channel, tap], ours[channel, tap]) for theirs, ours in zip(certified, implied, strict=True)
        )
        raise BrokenError(
            f"channel {channel}, input {tap}: the certificate says [{claimed_low}, {claimed_high}], the annotated type "
            f"[{low}, {high}]"
        )
    note = "the graph says no more of its inputs than their annotated type, and the certificate"
    exact = all(np.array_equal(ours, theirs) for ours, theirs in zip(implied, certified, strict=True))
    return replace(unit, low=certified[0], high=certified[1]), [] if exact else [note]


def _spread(values: list[int], shape: tuple[int, int], pooled: bool) -> NDArray[Any]:
    """Return certified numbers, one per input, or of a pool per channel, as (C, K)."""
    array = np.array(values, dtype=object)
    if array.size == 1 or (array.size == shape[1] and not pooled):
        return np.broadcast_to(array, shape)
    if array.size == shape[0] and pooled:
        return np.broadcast_to(array[:, None], shape)
    if array.size == shape[0] * shape[1]:
        return array.reshape(shape)
    raise BrokenError(f"the certificate has {array.size} inputs, the graph {shape[1]} for each of {shape[0]} channels")


def _check_fit(record: dict[str, Any], lowest: NDArray[Any], highest: NDArray[Any]) -> None:
    ends = type_range(record["data_type"])
    if ends is None:
        raise BrokenError(f"{record['data_type']} is no integer type")
    for channel, (low, high) in enumerate(zip(lowest, highest, strict=True)):
        if low < ends[0] or high > ends[1]:
            raise BrokenError(
                f"channel {channel}: {record['data_type']} holds [{ends[0]}, {ends[1]}], a sum reaches "
                f"{high if high > ends[1] else low}"
            )


def _replay(unit: Unit, witness: dict[str, Any], side: str, *, partial: bool) -> None:
    """Add up a witness term by term."""
    channel = witness["channel"]
    if not 0 <= channel < unit.channels:
        raise BrokenError(f"the {side} sum is said to be of channel {channel} of {unit.channels}")
    k = unit.low.shape[-1]
    inputs, first = numbers(witness["inputs"]), numbers(witness["first"])
    padding = numbers(witness["padding"]) if "padding" in witness else [0] * k
    if not len(inputs) == len(first) == len(padding) == k:
        raise BrokenError(f"the witness of the {side} sum has {len(inputs)} inputs, the graph {k}")
    real = ~np.array(padding, dtype=bool)
    if not any(np.all(real <= pattern) if partial else np.array_equal(real, pattern) for pattern in unit.patterns):
        raise BrokenError(f"the witness of the {side} sum reads pixels and padding that never meet")
    weights = _witness_weights(unit, witness, channel, k)
    low, high = (np.broadcast_to(end, (unit.channels, k))[channel] for end in (unit.low, unit.high))
    total = 0
    for tap in range(k):
        expected = (low[tap], high[tap]) if real[tap] else (0, 0)
        if not expected[0] <= inputs[tap] <= expected[1]:
            raise BrokenError(
                f"channel {channel}, input {tap}: the witness of the {side} sum has {inputs[tap]}, outside "
                f"[{expected[0]}, {expected[1]}]"
            )
        if first[tap] and real[tap]:
            match = (weights[tap] > 0) == (inputs[tap] > 0)
            total += int(match) if unit.counts else weights[tap] * inputs[tap]
        elif not partial and real[tap]:
            raise BrokenError(f"channel {channel}, input {tap}: the witness of the {side} sum leaves it out")
    if total != witness["value"]:
        raise BrokenError(
            f"channel {channel}: the witness of the {side} sum adds up to {total}, not {witness['value']}"
        )


def _witness_weights(unit: Unit, witness: dict[str, Any], channel: int, k: int) -> list[int]:
    if unit.weights is not None:
        return [int(weight) for weight in unit.weights[channel]]
    weights = numbers(witness["weights"])
    low, high = unit.weight_range
    if len(weights) != k or not all(low <= weight <= high for weight in weights):
        raise BrokenError(f"channel {channel}: the weights of a witness are not {k} numbers in [{low}, {high}]")
    return weights


def _check_operands(terms: Terms, record: dict[str, Any]) -> list[str]:
    if terms.combine is None:
        raise BrokenError("nothing is known about its operands")
    left, right = terms.operands
    size = max(left.low.size, right.low.size)
    notes, spans = [], []
    certified = [[numbers(part) for part in record["inputs"][side].split("|")] for side in ("low", "high")]
    for index, span in enumerate((left, right)):
        ends = [np.broadcast_to(np.array(side[index], dtype=object), (size,)) for side in certified]
        same = np.all(ends[0] == span.low) and np.all(ends[1] == span.high)
        if not same and (span.derived or np.any(ends[0] < span.low) or np.any(ends[1] > span.high)):
            raise BrokenError(f"operand {index} has another range in the graph than in the certificate")
        if not same:
            notes.append(f"the graph says no more of operand {index} than its annotated type, and the certificate")
        spans.append(Span(ends[0], ends[1]))
    result = terms.combine(*spans)
    _check_fit(record, result.low, result.high)
    for side, found in (("lowest", int(result.low.min())), ("highest", int(result.high.max()))):
        witness = record[side]
        channel, values = witness["channel"], numbers(witness["inputs"])
        if not 0 <= channel < size:
            raise BrokenError(f"the {side} result is said to be of channel {channel} of {size}")
        inside = all(
            span.low[channel] <= value <= span.high[channel] for span, value in zip(spans, values, strict=True)
        )
        point = [Span(np.array([value], dtype=object), np.array([value], dtype=object)) for value in values]
        if not inside or int(terms.combine(*point).low[0]) != witness["value"] or witness["value"] != found:
            raise BrokenError(f"channel {channel}: the {side} result is {found}, the witness gives {witness['value']}")
    return [*notes, f"every result fits: [{result.low.min()}, {result.high.max()}]"]


def _check_pair(pair: Pair, record: dict[str, Any]) -> list[str]:
    notes = []
    certified = [np.array(numbers(record["inputs"][side]), dtype=object) for side in ("low", "high")]
    implied = (pair.source.low, pair.source.high)
    if any(np.any(ours != theirs) for ours, theirs in zip(implied, certified, strict=True)):
        if pair.source.derived or np.any(certified[0] < implied[0]) or np.any(certified[1] > implied[1]):
            raise BrokenError("the value that it counts has another range in the graph than in the certificate")
        notes.append("the graph says no more of its input than its annotated type, and the certificate")
        pair = replace(pair, source=Span(certified[0], certified[1]))
    found = pair.span()
    _check_fit(record, found.low, found.high)
    for side, value in (("lowest", int(found.low.min())), ("highest", int(found.high.max()))):
        witness = record[side]
        channel, source = witness["channel"], witness["source"]
        low, high = pair.range_of(channel)
        first, second = pair.codes(channel, source)
        if not low <= source <= high or not first - second == witness["value"] == value:
            raise BrokenError(
                f"channel {channel}: the {side} difference is {value}, the witness {source} gives {first - second}"
            )
    return [*notes, f"every result fits: [{found.low.min()}, {found.high.max()}]"]


def _check_minimality(record: dict[str, Any]) -> str:
    if not record["minimal"]:
        if not record["reason"]:
            raise BrokenError("it is wider than needed and the certificate does not say why")
        return f"wider than needed: {record['reason']}"
    ends = type_range(record["data_type"])
    if ends is None:
        raise BrokenError(f"{record['data_type']} is no integer type")
    lowest, highest = record["lowest"]["value"], record["highest"]["value"]
    if ends[0] < 0 <= lowest:
        raise BrokenError("it is said to be minimal, but no sum is negative and the type has a sign")
    if ends in ((0, 1), (-1, 0)):
        return "no type is narrower"
    value = {"lowest": lowest, "highest": highest}.get(record["shown_by"])
    half = (-(-ends[0] // 2), ends[1] // 2)
    if value is None or half[0] <= value <= half[1]:
        raise BrokenError(f"it is said to be minimal, but {value} fits one bit less, [{half[0]}, {half[1]}]")
    return f"minimal: {value} overflows one bit less"
