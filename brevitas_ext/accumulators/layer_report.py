"""The accumulators of one layer, by exact extremes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from brevitas_ext.accumulators.record import TracedLayer
from brevitas_ext.arith import datatype_bound, dot_extremes, signed_bits, weight_bound


@dataclass(frozen=True, kw_only=True)
class ChannelReport:
    """The accumulator of one output channel.

    Attributes:
        l1_norm: sum of the magnitudes of the integer weights, each shifted as its input is.
        sparsity: share of weights that are 0.
        bias: the bias in units of the accumulator, which the width does not include: FINN and most hardware add it
            behind the accumulator or fold it into thresholds.  None if there is none, or the scale is not known.
        lowest: exact minimum over all inputs of every partial sum in any order of addition (at most 0); None, like all
            that follows, if the layer's input is not quantized.
        highest: exact maximum, likewise.
        needed_bits: smallest signed width that holds both.
        weight_bound: width by A2Q Eq. 12.
        slack: target width less needed width; None without a target.
    """

    l1_norm: int
    sparsity: float
    bias: float | None
    lowest: int | None = None
    highest: int | None = None
    needed_bits: int | None = None
    weight_bound: int | None = None
    slack: int | None = None


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """The accumulators of one layer.

    Attributes:
        name: the layer's name in the model.
        kind: ``"linear"``, ``"conv2d"``, and so on.
        k: number K of products per output; products of zero padding count.
        weight_bits: M.
        input_bits: N, or None if the input is not quantized.
        input_signed: its sign, or None.
        input_low: lowest input integer, padding included, or None.
        input_high: highest input integer, or None.
        accumulator_bits: target P, or None.
        bound: ``"a2q"``, ``"a2q+"`` or None.
        datatype_bound: width by A2Q Eq. 8, or None.
        channels: one entry per output channel.
        input_shift: largest left shift of an input in its products (ShiftQuant).
    """

    name: str
    kind: str
    k: int
    weight_bits: int
    input_bits: int | None
    input_signed: bool | None
    input_low: int | None
    input_high: int | None
    accumulator_bits: int | None
    bound: str | None
    datatype_bound: int | None
    channels: tuple[ChannelReport, ...]
    input_shift: int = 0

    @classmethod
    def of(cls, layer: TracedLayer) -> Self:
        """Report on a traced layer."""
        k, shifts = layer.weight_integers.shape[1], layer.input_exponents
        datatypes = None
        if layer.input_bits is not None:
            # A product with an input that is shifted by k bits counts as 2**k products.
            products = k if shifts is None else int((1 << shifts).sum(axis=1).max())
            datatypes = datatype_bound(
                products, layer.weight_bits, layer.input_bits, input_signed=bool(layer.input_signed)
            )
        return cls(
            name=layer.name,
            kind=layer.kind,
            k=k,
            weight_bits=layer.weight_bits,
            input_bits=layer.input_bits,
            input_signed=layer.input_signed,
            input_low=layer.input_low,
            input_high=layer.input_high,
            accumulator_bits=layer.accumulator_bits,
            bound=layer.bound,
            datatype_bound=datatypes,
            channels=_channels(layer),
            input_shift=0 if shifts is None else int(shifts.max()),
        )

    @property
    def l1_norm(self) -> int:
        """Largest l1 norm of a channel."""
        return max(channel.l1_norm for channel in self.channels)

    @property
    def sparsity(self) -> float:
        """Share of the layer's weights that are 0."""
        return sum(channel.sparsity for channel in self.channels) / len(self.channels)

    @property
    def needed_bits(self) -> int | None:
        """Width that holds every channel's partial sums, or None if the input is not quantized."""
        return _widest(channel.needed_bits for channel in self.channels)

    @property
    def weight_bound(self) -> int | None:
        """Width by A2Q Eq. 12 for the channel with the largest norm."""
        return _widest(channel.weight_bound for channel in self.channels)

    @property
    def slack(self) -> int | None:
        """Target width less needed width; negative where the target is violated."""
        needed = self.needed_bits
        return None if self.accumulator_bits is None or needed is None else self.accumulator_bits - needed

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the figures of the whole layer as plain values."""
        figures = ("l1_norm", "sparsity", "needed_bits", "weight_bound", "slack")
        channels = [asdict(channel) for channel in self.channels]
        return {**asdict(self), **{name: getattr(self, name) for name in figures}, "channels": channels}


def _channels(layer: TracedLayer) -> tuple[ChannelReport, ...]:
    weights = layer.accumulated
    channels: list[dict[str, Any]] = [
        {"l1_norm": int(np.abs(row).sum()), "sparsity": float((row == 0).mean()), "bias": _bias(layer, index)}
        for index, row in enumerate(weights)
    ]
    if layer.input_low is not None and layer.input_high is not None and layer.input_bits is not None:
        signed = bool(layer.input_signed)
        extremes = dot_extremes(weights, layer.input_low, layer.input_high, partial_sums=True)
        for channel, lowest, highest in zip(channels, *extremes, strict=True):
            needed = signed_bits(lowest, highest)
            channel |= {
                "lowest": lowest,
                "highest": highest,
                "needed_bits": needed,
                "weight_bound": weight_bound(channel["l1_norm"], layer.input_bits, input_signed=signed),
                "slack": None if layer.accumulator_bits is None else layer.accumulator_bits - needed,
            }
    return tuple(ChannelReport(**channel) for channel in channels)


def _bias(layer: TracedLayer, channel: int) -> float | None:
    if layer.bias is None or layer.input_scale is None:
        return None
    return float(layer.bias[channel] / (layer.input_scale * layer.weight_scale[channel]))


def _widest(widths: Iterable[int | None]) -> int | None:
    return max((width for width in widths if width is not None), default=None)
