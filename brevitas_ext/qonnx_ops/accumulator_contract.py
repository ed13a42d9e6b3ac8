"""The accumulator contract: the promise that a layer's accumulator never overflows, as it travels in the file.

Model-level metadata is the only place that survives both QONNX's clean-up (which folds custom ops on constants) and
FINN's conversion (which drops node metadata and renames tensors). A contract therefore finds its layer again by the
integer weights themselves, see `channel_digests`, and is proved again on those weights by `LayerContract.check`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, Self, get_args

from numpy.typing import NDArray

from brevitas_ext.arith import dot_extremes
from brevitas_ext.qonnx_ops._digests import ZERO_CHANNEL, channel_digests, integer_rows
from brevitas_ext.qonnx_ops._witness import ContractViolationError, overflow_witness

__all__ = [
    "CONTRACT_VERSION",
    "METADATA_KEY",
    "AccumulatorContract",
    "BoundKind",
    "ContractFormatError",
    "ContractViolationError",
    "LayerContract",
    "OverflowSemantics",
    "channel_digests",
    "read_contract",
]

METADATA_KEY: Final = "brevitas_ext.accumulator_contract"
CONTRACT_VERSION: Final = 1

BoundKind = Literal["a2q", "a2q+"]
OverflowSemantics = Literal["any_order", "final"]


class ContractFormatError(ValueError):
    """The contract in a file is unreadable: malformed, or written in a version that this package does not know."""


@dataclass(frozen=True, kw_only=True)
class LayerContract:
    """What one layer promises about its accumulator.

    Attributes:
        layer: Name of the layer in the trained model, for messages; it identifies nothing after conversion.
        accumulator_bits: `P`, the width in bits of the signed two's complement accumulator.
        bound: Which l1 budget the layer was trained under: `"a2q"` (A2Q, Eq. 15) or `"a2q+"` (arXiv 2401.10432).
        overflow: `"any_order"`: every partial sum fits in whatever order the terms are added, so a saturating
            accumulator is exact too. `"final"`: only the complete sum fits, which is enough for a wrapping one.
        input_low: Smallest input integer; zero padding included, so at most 0 where the layer pads.
        input_high: Largest input integer.
        channel_digests: One digest per output channel, see `channel_digests`.

    Raises:
        ContractFormatError: a field has the wrong type or an impossible value.
    """

    layer: str
    accumulator_bits: int
    bound: BoundKind
    overflow: OverflowSemantics
    input_low: int
    input_high: int
    channel_digests: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("accumulator_bits", "input_low", "input_high"):
            self._require(type(getattr(self, name)) is int, name, "an integer")
        self._require(isinstance(self.layer, str), "layer", "a string")
        self._require(self.accumulator_bits >= 1, "accumulator_bits", "at least 1")
        self._require(self.bound in get_args(BoundKind), "bound", f"one of {get_args(BoundKind)}")
        self._require(self.overflow in get_args(OverflowSemantics), "overflow", f"one of {get_args(OverflowSemantics)}")
        self._require(self.input_low <= self.input_high, "input_high", f"at least input_low = {self.input_low}")
        digests = self.channel_digests
        self._require(
            isinstance(digests, tuple) and bool(digests) and all(isinstance(digest, str) for digest in digests),
            "channel_digests",
            "a non-empty tuple of strings, one per output channel",
        )

    def _require(self, fulfilled: bool, field: str, expected: str) -> None:
        if fulfilled:
            return
        raise ContractFormatError(
            f"Accumulator contract of layer {self.layer!r}: expected {field} to be {expected}, "
            f"found {getattr(self, field)!r}. Export the model again."
        )

    def check(self, weights: NDArray[Any]) -> None:
        """Proves the promise on integer weights by the exact extremes of the dot product, not by a bound on them.

        Args:
            weights: Integer weights of shape (C, K), e.g. (64, 576) for a 3 x 3 convolution of 64 channels. Integral
                floats are taken as the integers they are. They need not have the contract's digests, so the check
                also answers whether altered weights still fit.

        Raises:
            ContractViolationError: a channel overflows; carries layer, channel, the exact extreme and a witness.
            ValueError: `weights` is not a matrix of integers.
        """
        rows = integer_rows(weights)
        any_order = self.overflow == "any_order"
        lowest, highest = dot_extremes(rows, self.input_low, self.input_high, partial_sums=any_order)
        smallest = -(1 << (self.accumulator_bits - 1))
        largest = -smallest - 1
        for channel, (low, high) in enumerate(zip(lowest, highest, strict=True)):
            if smallest <= low and high <= largest:
                continue
            extreme = int(high) if high > largest else int(low)
            raise ContractViolationError(
                layer=self.layer,
                channel=channel,
                accumulator_bits=self.accumulator_bits,
                extreme=extreme,
                witness=overflow_witness(
                    rows[channel], self.input_low, self.input_high, upward=high > largest, partial_sums=any_order
                ),
            )


@dataclass(frozen=True, kw_only=True)
class AccumulatorContract:
    """The contracts of all constrained layers of a model, as stored under `METADATA_KEY` in the model metadata.

    Attributes:
        layers: One contract per constrained layer, in the order of the trained model.
        version: Version of the format; only `CONTRACT_VERSION` is known.

    Raises:
        ContractFormatError: the version is not known.
    """

    layers: tuple[LayerContract, ...]
    version: int = CONTRACT_VERSION

    def __post_init__(self) -> None:
        if self.version == CONTRACT_VERSION:
            return
        raise ContractFormatError(
            f"Accumulator contract: expected format version {CONTRACT_VERSION}, found {self.version!r}. "
            "Update brevitas-finn-ext to a release that knows this version, or export the model again with this one."
        )

    def to_json(self) -> str:
        """Returns the canonical JSON text; `from_json` is its inverse."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ContractFormatError: the text is malformed, or of a version that is not known.
        """
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            raise ContractFormatError(
                f"Accumulator contract: expected JSON, found an error: {error}. Export the model again."
            ) from error
        if not isinstance(document, dict) or "version" not in document:
            raise ContractFormatError(
                "Accumulator contract: expected an object with the keys 'layers' and 'version', "
                f"found {text[:60]!r}. Export the model again."
            )
        # Before anything else is read: another version may mean something else by the same keys.
        version = cls(layers=(), version=document["version"]).version
        entries = document.get("layers")
        if not isinstance(entries, list):
            raise ContractFormatError(
                f"Accumulator contract: expected a list under 'layers', found {entries!r}. Export the model again."
            )
        return cls(layers=tuple(_layer_from_json(entry) for entry in entries), version=version)

    def candidates(self, weights: NDArray[Any]) -> tuple[LayerContract, ...]:
        """Returns every layer that `weights`, shape (C, K), belong to; several if layers share weights.

        A compiler may drop a channel that batch norm multiplies by zero; a channel of zeros keeps every promise. It
        therefore agrees with any other as long as some channel is recognised, and no layer has equal weights.
        """
        digests = channel_digests(weights)
        equal = tuple(layer for layer in self.layers if layer.channel_digests == digests)
        if equal:
            return equal
        return tuple(
            layer
            for layer in self._of_size(len(digests))
            if not _altered(layer, digests) and _recognised(layer, digests)
        )

    def match(self, weights: NDArray[Any]) -> LayerContract | None:
        """Finds the contract of a layer by its weights of shape (C, K).

        Returns:
            The contract, None if no layer has these weights. Of several layers with equal weights the one with the
            narrowest accumulator, the first of those; `candidates` lists them all.
        """
        return min(self.candidates(weights), key=lambda layer: layer.accumulator_bits, default=None)

    def nearest(self, weights: NDArray[Any]) -> tuple[LayerContract, list[int]] | None:
        """Finds the layer that `weights`, shape (C, K), were altered from, for the error message.

        Returns:
            The layer with the same number of channels that has most of these, at least one, and the channels that
            were altered; None if there is no such layer.
        """
        digests = channel_digests(weights)
        best = max(self._of_size(len(digests)), key=lambda layer: len(_recognised(layer, digests)), default=None)
        if best is None or not _recognised(best, digests):
            return None
        return best, _altered(best, digests)

    def _of_size(self, channels: int) -> tuple[LayerContract, ...]:
        return tuple(layer for layer in self.layers if len(layer.channel_digests) == channels)


def _recognised(layer: LayerContract, digests: tuple[str, ...]) -> list[int]:
    pairs = zip(layer.channel_digests, digests, strict=True)
    return [channel for channel, (theirs, ours) in enumerate(pairs) if theirs == ours]


def _altered(layer: LayerContract, digests: tuple[str, ...]) -> list[int]:
    pairs = zip(layer.channel_digests, digests, strict=True)
    return [channel for channel, (theirs, ours) in enumerate(pairs) if ours not in (theirs, ZERO_CHANNEL)]


def read_contract(metadata: Mapping[str, str]) -> AccumulatorContract | None:
    """Reads the contract out of a model's metadata, e.g. `{p.key: p.value for p in model.metadata_props}`.

    Returns:
        The contract, None if the model carries none.

    Raises:
        ContractFormatError: there is one, but it is malformed or of a version that is not known.
    """
    text = metadata.get(METADATA_KEY)
    return None if text is None else AccumulatorContract.from_json(text)


def _layer_from_json(entry: object) -> LayerContract:
    expected = {field.name for field in fields(LayerContract)}
    if not isinstance(entry, dict) or set(entry) != expected or not isinstance(entry["channel_digests"], list):
        raise ContractFormatError(
            f"Accumulator contract: expected a layer with the keys {sorted(expected)}, found {entry!r}. "
            "Export the model again."
        )
    return LayerContract(**{**entry, "channel_digests": tuple(entry["channel_digests"])})
