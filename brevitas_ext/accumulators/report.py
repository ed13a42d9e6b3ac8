"""What accumulators a model needs, layer by layer and channel by channel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Self, cast

from rich.console import Console
from rich.table import Table
from torch import nn

from brevitas_ext.accumulators.layer_report import LayerReport
from brevitas_ext.accumulators.record import TracedLayer
from brevitas_ext.accumulators.trace import trace_layers
from brevitas_ext.qonnx_ops import LayerContract, channel_digests
from brevitas_ext.qonnx_ops.accumulator_contract import BoundKind

_TABLE_WIDTH = 140


@dataclass(frozen=True, kw_only=True)
class AccumulatorReport:
    """The accumulators of a model.

    Example:
        >>> report = AccumulatorReport.from_model(model, example)  # doctest: +SKIP
        >>> print(report)  # doctest: +SKIP
        >>> report.check()  # raises where a target width is too narrow  # doctest: +SKIP

    Attributes:
        layers: one entry per quantized layer, in the order of their first call.
        traced: the integers that the report is about, in the same order.
    """

    layers: tuple[LayerReport, ...]
    traced: tuple[TracedLayer, ...]

    @classmethod
    def from_model(cls, model: nn.Module, example: Any) -> Self:
        """Run the model once, see `trace_layers`, and report what it needs.

        A target width that does not hold is no error here: see `violations` and `check`.
        """
        return cls.from_layers(trace_layers(model, example))

    @classmethod
    def from_layers(cls, layers: Sequence[TracedLayer]) -> Self:
        """Report on layers that were traced before."""
        return cls(layers=tuple(LayerReport.of(layer) for layer in layers), traced=tuple(layers))

    @property
    def violations(self) -> tuple[tuple[str, int], ...]:
        """Layer name and channel of every accumulator that its target width does not hold."""
        return tuple(
            (layer.name, index)
            for layer in self.layers
            for index, channel in enumerate(layer.channels)
            if channel.slack is not None and channel.slack < 0
        )

    def check(self) -> None:
        """Prove every target width by the exact extremes of every partial sum.

        Raises:
            ContractViolationError: a channel overflows; names layer and channel, with an input that does it.
            ValueError: a layer has a target width, but its input is not quantized.
        """
        for layer in self.traced:
            if layer.accumulator_bits is None:
                continue
            if layer.input_low is None or layer.input_high is None:
                raise ValueError(
                    f"layer {layer.name}: expected a quantized input for its {layer.accumulator_bits}-bit accumulator, "
                    f"found one that is not; quantize it (input_quant=..., or return_quant_tensor=True before)"
                )
            contract = LayerContract(
                layer=layer.name,
                accumulator_bits=layer.accumulator_bits,
                bound=cast(BoundKind, layer.bound),
                overflow="any_order",
                input_low=layer.input_low,
                input_high=layer.input_high,
                channel_digests=channel_digests(layer.accumulated),
            )
            contract.check(layer.accumulated)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as dictionaries, lists, strings and numbers."""
        return {
            "layers": [layer.to_dict() for layer in self.layers],
            "violations": [{"layer": name, "channel": channel} for name, channel in self.violations],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent)

    def table(self) -> Table:
        """Return a table for `rich`, a row per layer; widths in bits, of the layer's widest channel."""
        table = Table("layer", "kind")
        for header in (
            "C",
            "K",
            "M",
            "N",
            "input",
            "l1",
            "zeros",
            "data type",
            "weights",
            "exact",
            "target P",
            "slack",
        ):
            table.add_column(header, justify="right")
        for layer in self.layers:
            table.add_row(*_cells(layer), style="bold red" if (layer.slack or 0) < 0 else None)
        return table

    def __str__(self) -> str:
        text = StringIO()
        Console(file=text, width=_TABLE_WIDTH, color_system=None).print(self.table())
        flagged = [f"OVERFLOW: layer {name}, channel {channel}" for name, channel in self.violations]
        return "\n".join([text.getvalue().rstrip("\n"), *flagged])


def _cells(layer: LayerReport) -> list[str]:
    box = "float" if layer.input_low is None else f"{layer.input_low}..{layer.input_high}"
    box += f" <<{layer.input_shift}" if layer.input_shift else ""
    widths = (layer.datatype_bound, layer.weight_bound, layer.needed_bits, layer.accumulator_bits, layer.slack)
    sizes = (len(layer.channels), layer.k, layer.weight_bits, layer.input_bits)
    return [layer.name, layer.kind, *_texts(*sizes), box, str(layer.l1_norm), f"{layer.sparsity:.0%}", *_texts(*widths)]


def _texts(*numbers: int | None) -> list[str]:
    return ["-" if number is None else str(number) for number in numbers]
