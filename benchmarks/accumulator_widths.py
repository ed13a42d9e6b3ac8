"""Accumulator widths by FINN+ and by us, averaged over channels, on untrained networks with calibrated scales.

FINN's are those of its own hardware graph, after its own steps and its ``MinimizeAccumulatorWidth``; ours those of the
graph that `lower_to_hardware` leaves, for every partial sum in any order.  Hardware has one width per layer; the column
per channel shows what the channels would need.

    python benchmarks/accumulator_widths.py                     minutes, nearly all of them FINN's
    python benchmarks/accumulator_widths.py --size small --networks tfc_w2a2:default
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx_ir as ir
import torch
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.compile_speed import export
from benchmarks.recording import RESULTS, record
from brevitas_ext.arith import IntRange
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import named, smallest_datatype
from finn_transforms.analysis.matching import is_hardware, layer_type
from finn_transforms.analysis.ranges import final_extremes, integer_ranges, sum_extremes
from finn_transforms.loading import load_model
from finn_transforms.passes import lower_to_hardware
from tests.support.finn_flow import run_flow_apart
from tests.support.model_zoo import FULL, SMALL

NETWORKS = (
    "mobilenet_w4a4:mobilenet,vgg_w4a4:default,tfc_w2a2:default,resnet20_w4a4:resnet,cnv_w2a2:default,"
    "tfc_w1a1:default,lfc_w1a1:default,cnv_w1a1:default"
)
COLUMNS = ("declared", "per_layer", "per_channel")
_UNITS = {"MVAU": "MH", "VVAU": "Channels"}


@dataclass(frozen=True)
class Layer:
    """A matrix-vector or vector-vector unit.

    Attributes:
        bits: width of its accumulator; of a graph output, rounded up to whole bytes.
        holds: whether its data type holds every final sum.
        needed_bits: width that holds all sums of all channels, partial ones too.
        channel_bits: width that holds all sums of a channel, for each.
    """

    name: str
    channels: int
    bits: int
    holds: bool | None = None
    needed_bits: int | None = None
    channel_bits: list[int] | None = None


def main(
    networks: Annotated[str, typer.Option(help="name:flow of FINN, separated by commas.")] = NETWORKS,
    size: Annotated[str, typer.Option(help="full or small.")] = "full",
    timeout: Annotated[float, typer.Option(help="Seconds after which FINN is stopped.")] = 1800.0,
    output: Annotated[Path, typer.Option(help="File for the results.")] = RESULTS / "accumulator_widths.json",
) -> None:
    torch.set_num_threads(1)
    zoo = SMALL if size == "small" else FULL
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for pair in networks.split(","):
            network, flow = pair.split(":")
            source = export(zoo[network], Path(folder) / f"{network}.onnx")
            target = source.with_suffix(".finn.onnx")
            error = run_flow_apart(source, flow, target, timeout=timeout).error
            finn = None if error else list(units(load_model(target)))
            figures[network] = figures_of(our_layers(source), finn) | {"finn_error": error}
            print(network, {name: value for name, value in figures[network].items() if name != "layers"}, flush=True)
    show(figures)
    record(output, {"size": size, "networks": figures})


def our_layers(source: Path) -> list[Layer]:
    model = load_model(source)
    lower_to_hardware(model)
    return list(units(model))


def units(model: ir.Model) -> Iterator[Layer]:
    ranges = integer_ranges(model)
    for node in model.graph:
        if not is_hardware(node) or layer_type(node) not in _UNITS or is_average(node):
            continue
        attributes = attributes_of(node)
        source = None if node.inputs[0] is None else ranges.get(node.inputs[0])
        extremes = None if source is None else sum_extremes(node, source)
        data_type = named(attributes.get("accDataType", "INT32"))
        layer = Layer(str(node.name), int(attributes[_UNITS[layer_type(node)]]), int(data_type.bitwidth()))
        final = None if source is None else final_extremes(node, source)
        if extremes is None or final is None:
            yield layer
            continue
        low, high = int(np.min(final[0])), int(np.max(final[1]))
        holds = int(data_type.min()) <= low <= high <= int(data_type.max())
        channels = [needed(low, high) for low, high in zip(*extremes, strict=True)]
        whole = needed(np.min(extremes[0]), np.max(extremes[1]))
        yield replace(layer, holds=holds, needed_bits=whole, channel_bits=channels)


def is_average(node: ir.Node) -> bool:
    """Tell whether a unit only adds up, which FINN does in pools whose accumulators have no attribute."""
    weights = constant(node.inputs[1])
    return layer_type(node) == "VVAU" and weights is not None and bool((weights == 1).all())


def needed(low: Any, high: Any) -> int:
    return int(smallest_datatype(IntRange(int(low), int(high))).bitwidth())


def figures_of(ours: list[Layer], finn: list[Layer] | None) -> dict[str, Any]:
    counted = [layer for layer in ours if layer.needed_bits is not None]
    # Where FINN keeps or splits layers otherwise, the lists have no common order.
    same = finn is not None and [layer.channels for layer in finn] == [layer.channels for layer in ours]
    pairs = list(zip(ours, finn or [], strict=True)) if same else []
    rows = [{name: value for name, value in vars(layer).items() if name != "channel_bits"} for layer in ours]
    for row, (_, theirs) in zip(rows, pairs, strict=False):
        row["finn_bits"] = theirs.bits
    return {
        "finn": mean([(layer.bits, layer.channels) for layer in finn or []]),
        "declared": mean([(layer.bits, layer.channels) for layer in ours]),
        "per_layer": mean([(layer.needed_bits, layer.channels) for layer in counted]),
        "per_channel": mean([(bits, 1) for layer in counted for bits in layer.channel_bits or []]),
        "layers_ours": len(ours),
        "layers_finn": None if finn is None else len(finn),
        "overflowing_in_finn": [layer.name for layer in finn or [] if layer.holds is False],
        "overflowing_ours": [layer.name for layer in ours if layer.holds is False],
        "layers": rows,
    }


def mean(weighted: Sequence[tuple[int | None, int]]) -> float | None:
    """Average widths, each as often as its layer has channels."""
    if not weighted:
        return None
    widths, channels = zip(*weighted, strict=True)
    return round(float(np.average(widths, weights=channels)), 2)


def show(figures: dict[str, Any]) -> None:
    table = Table("network", "FINN+", "declared", "per layer", "per channel", "layers ours/FINN+", "overflow in FINN+")
    for network, row in figures.items():
        widths = [str(row["finn"] or row["finn_error"]), *(str(row[name]) for name in COLUMNS)]
        layers = f"{row['layers_ours']}/{row['layers_finn']}"
        table.add_row(network, *widths, layers, str(len(row["overflowing_in_finn"])))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
