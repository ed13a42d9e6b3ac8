"""Tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from finn_transforms.analysis.matching import Refusal
from finn_transforms.cost import MODEL, Estimate
from finn_transforms.hw_graph import (
    HwGraph,
    HwLayer,
    MvauParams,
    PaddingParams,
    SparqEncoderParams,
    StreamParams,
    SwgParams,
    ThresholdingParams,
    VvauParams,
)
from finn_transforms.report.accumulators import AccumulatorRow


def layer_table(graph: HwGraph, estimates: Sequence[Estimate]) -> Table:
    """Return one line per layer: folding, cycles and resources, with sums.

    The column ``±`` is how far synthesis may be off, ``from P`` the part of the LUTs that grows with the width of an
    accumulator, ``MHz`` a rough class of the clock that the layer closes timing at.  A question mark stands for what
    is not estimated; the sums leave it out.
    """
    table = _table(f"Hardware layers, estimated (model {MODEL})", "Layer")
    for column in ("PE", "SIMD", "Cycles", "LUT", "±", "from P", "BRAM18", "DSP", "MHz"):
        table.add_column(column, justify="right")
    by_name = {estimate.name: estimate for estimate in estimates}
    for layer in graph.layers:
        estimate = by_name.get(layer.name)
        resources = ["?"] * 6 if estimate is None else [*_resources([layer], [estimate]), str(estimate.fmax_class)]
        table.add_row(
            Text(layer.name),
            *_folding(layer),
            str(layer.cycles()),
            *resources,
            style="yellow" if estimate is None else None,
        )
    for node in graph.unread:
        table.add_row(Text(f"{node.name} ({node.op_type})"), *["?"] * 9, style="yellow")
    table.add_section()
    slowest = max((layer.cycles() for layer in graph.layers), default=0)
    clock = str(min((estimate.fmax_class for estimate in estimates), default=""))
    table.add_row("Network (cycles of the slowest)", "", "", str(slowest), *_resources(graph.layers, estimates), clock)
    return table


def accumulator_table(rows: Sequence[AccumulatorRow]) -> Table:
    """Return one line per accumulator: the width it has beside the widths that are known.

    ``data type`` and ``weights`` are A2Q Eq. 8 and 12, ``trained`` is what the file promises, ``needed`` is exact.
    """
    widths: dict[str, list[int | None]] = {
        "data type": [row.datatype_bound for row in rows],
        "weights": [row.weight_bound for row in rows],
        "FINN": [row.finn_width for row in rows],
        "trained": [row.contract_bits for row in rows],
        "needed": [row.needed_bits for row in rows],
    }
    known = {title: column for title, column in widths.items() if any(width is not None for width in column)}
    table = _table("Accumulators, bits", "Layer")
    for column in ("K", "M", "N", *known, "width"):
        table.add_column(column, justify="right")
    for index, row in enumerate(rows):
        inputs = f"{row.input_bits}{'s' if row.input_signed else 'u'}"
        cells = ("-" if column[index] is None else str(column[index]) for column in known.values())
        table.add_row(Text(row.layer or row.name), str(row.k), str(row.weight_bits), inputs, *cells, row.data_type)
    return table


def refusal_table(refusals: Sequence[Refusal]) -> Table:
    """Return one line per node that was not converted: why, and what to do."""
    table = _table("Not converted", "Node")
    for column in ("Operator", "Why", "What to do"):
        table.add_column(column, overflow="fold")
    for refusal in refusals:
        table.add_row(*map(Text, (refusal.node, refusal.op_type, refusal.reason, refusal.advice)))
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first, overflow="fold")
    return table


def _folding(layer: HwLayer) -> tuple[str, str]:
    if isinstance(layer, MvauParams | VvauParams):
        return str(layer.pe), str(layer.simd)
    if isinstance(layer, StreamParams):
        return (str(layer.width), "") if layer.width_attribute == "PE" else ("", str(layer.width))
    if isinstance(layer, SwgParams | PaddingParams | SparqEncoderParams):
        return "", str(layer.simd)
    return str(layer.pe), ""


def _resources(layers: Sequence[HwLayer], estimates: Sequence[Estimate]) -> tuple[str, ...]:
    names = {layer.name for layer in layers if isinstance(layer, MvauParams | ThresholdingParams)}
    reading_sums = (estimate.breakdown for estimate in estimates if estimate.name in names)
    # Errors of layers do not cancel for certain.
    widest = sum(max(each.lut - each.lut_interval[0], each.lut_interval[1] - each.lut) for each in estimates)
    numbers = (
        sum(estimate.lut for estimate in estimates),
        widest,
        sum(part.accumulator + part.comparators + part.threshold_memory for part in reading_sums),
        sum(estimate.bram18 for estimate in estimates),
        sum(estimate.dsp for estimate in estimates),
    )
    return tuple(map(str, numbers))
