"""A build synthesised layer by layer: what was measured beside what was estimated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from finn_transforms.cost import SynthesisError, Utilization
from finn_transforms.cost.dsp import dsp_block
from finn_transforms.hw_graph import read_hw_graph
from finn_transforms.loading import InputError, load_model
from finn_transforms.rtl import RtlUnit
from finn_transforms.rtl.from_layer import unit_of
from finn_transforms.rtl.node_values import NoUnitError

ESTIMATED = ("LUT", "BRAM_18K", "URAM", "DSP")
"""Resources of ``estimate_layer_resources.json`` that are compared."""


@dataclass(frozen=True, kw_only=True)
class BuiltLayer:
    """One layer of a build.

    Attributes:
        name: Name of its node.
        unit: The unit that computes it, or why there is none.
        estimate: Estimated resources by FINN's names, `ESTIMATED`; empty if it has no estimate.
    """

    name: str
    unit: RtlUnit | str
    estimate: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class SynthesisedLayer:
    """One layer, synthesised.

    Attributes:
        name: Name of its node.
        measured: What it takes; None if it could not be synthesised.
        reason: Why not; empty if it could.
        estimate: Estimated resources by FINN's names; empty if it has no estimate.
    """

    name: str
    measured: Utilization | None
    reason: str
    estimate: Mapping[str, float]

    def error(self, resource: str) -> float | None:
        """Return how far the estimate is off, relative to what was measured; None where that says nothing."""
        measured = self.resources().get(resource)
        return self.estimate[resource] / measured - 1 if measured and resource in self.estimate else None

    def resources(self) -> dict[str, int]:
        """Return measured resources by FINN's names; empty if it could not be synthesised."""
        found = self.measured
        if found is None:
            return {}
        return {"LUT": found.lut, "BRAM_18K": found.bram18, "URAM": found.uram, "DSP": found.dsp}


def read_layers(output: Path) -> tuple[BuiltLayer, ...]:
    """Return the layers of the build in a folder, with their units and estimates.

    Raises:
        InputError: the folder does not hold what ``bfx build`` writes.
    """
    model = load_model(output / "hw_graph.onnx")
    report = output / "report" / "estimate_layer_resources.json"
    estimates = _read_json(report)
    nodes = {node.name: node for node in model.graph}
    graph = read_hw_graph(model)
    layers = [
        BuiltLayer(
            name=layer.name,
            unit=_unit(layer, nodes[layer.name]),
            estimate=_compared(report, estimates.get(layer.name, {})),
        )
        for layer in graph.layers
    ]
    unread = [
        BuiltLayer(name=node.name, unit=f"there is no unit for {node.op_type}", estimate={}) for node in graph.unread
    ]
    return (*layers, *unread)


def family_of_build(output: Path) -> str:
    """Return the family, ``xc7`` or ``xcup``, of the part that a build is for.

    Raises:
        InputError: the folder does not hold what ``bfx build`` writes, or the part is of another family.
    """
    part = _read_json(output / "report" / "estimate_breakdown.json").get("part", "")
    try:
        block = dsp_block(str(part))
    except ValueError as error:
        raise InputError(f"{output}: {error}") from error
    families = {"DSP48E1": "xc7", "DSP48E2": "xcup"}
    if block not in families:
        raise InputError(f"{output}: expected a 7-series or UltraScale+ part, found {part}; pass --family xcup")
    return families[block]


def synthesised(
    layers: Sequence[BuiltLayer], results: Mapping[int, Utilization | SynthesisError]
) -> tuple[SynthesisedLayer, ...]:
    """Put results of synthesis beside the layers.

    Args:
        layers: Layers of a build.
        results: Results by position of the layer; layers without a unit have none.
    """
    return tuple(_synthesised(layer, results.get(at)) for at, layer in enumerate(layers))


def synthesis_document(layers: Sequence[SynthesisedLayer], family: str) -> dict[str, Any]:
    """Return ``synthesis.json``: per layer what was measured, what was estimated and how far that is off; the sums."""
    tools = sorted({layer.measured.tool for layer in layers if layer.measured is not None})
    return {
        "family": family,
        "tool": ", ".join(tools),
        "counting": (
            "LUT sites of each layer out of context, finn_transforms.cost.lut_sites.count_sites; "
            "lut_without_ternary: no LUT packed beside the carry bit before it; not confirmed by a placement"
        ),
        "layers": {layer.name: _figures(layer) for layer in layers},
        "total": _total(layers),
    }


def synthesis_table(layers: Sequence[SynthesisedLayer], family: str) -> Table:
    """Return one line per layer: measured LUTs beside the estimate, other resources, and the class of speed.

    ``RAM, SRL`` is the part of the LUTs that is memory or shift register. The sums are over the layers that have both
    figures.
    """
    table = Table(title=f"Hardware layers, synthesised ({family}; MHz: a rough class)", title_justify="left")
    table.add_column("Layer", overflow="fold")
    for column in ("LUT", "RAM, SRL", "estim.", "error", "FF", "BRAM", "DSP", "MHz"):
        table.add_column(column, justify="right", overflow="fold")
    for layer in layers:
        found = layer.measured
        estimate = _shown(layer.estimate.get("LUT"))
        if found is None:
            table.add_row(Text(layer.name), *["?"] * 2, estimate, *["?"] * 5, style="yellow")
            continue
        luts = str(found.lut), str(found.lut_memory + found.lut_srl)
        speed = "-" if found.critical_path is None else str(found.critical_path.fmax_class)
        others = *map(str, (found.ff, found.bram18, found.dsp)), speed
        table.add_row(Text(layer.name), *luts, estimate, _percent(layer.error("LUT")), *others)
    table.add_section()
    total = _total(layers)
    both = "" if total["layers"] == len(layers) else f" ({total['layers']} of {len(layers)})"
    measured = total["synthesised"]
    luts = str(measured["LUT"]), str(total["RAM, SRL"])
    others = *map(str, (total["FF"], measured["BRAM_18K"], measured["DSP"])), ""
    table.add_row(f"Sum{both}", *luts, _shown(total["estimated"]["LUT"]), _percent(total["error"]), *others)
    if total["LUT without ternary"] != measured["LUT"]:
        table.caption = (
            f"Sum of LUT if no adder of three operands shares sites between bits: {total['LUT without ternary']}"
        )
        table.caption_justify = "left"
    return table


def _synthesised(layer: BuiltLayer, result: Utilization | SynthesisError | None) -> SynthesisedLayer:
    reason = layer.unit if isinstance(layer.unit, str) else str(result) if isinstance(result, SynthesisError) else ""
    measured = result if isinstance(result, Utilization) else None
    return SynthesisedLayer(name=layer.name, measured=measured, reason=reason, estimate=layer.estimate)


def _figures(layer: SynthesisedLayer) -> dict[str, Any]:
    if layer.measured is None:
        return {"reason": layer.reason, "estimated": dict(layer.estimate)}
    return {
        "synthesised": layer.measured.as_json(),
        "estimated": dict(layer.estimate),
        "error": {name: error for name in ESTIMATED if (error := layer.error(name)) is not None},
    }


def _total(layers: Sequence[SynthesisedLayer]) -> dict[str, Any]:
    """Return sums over the layers that have both a measurement and an estimate."""
    both = list(_with_both(layers))
    measured = {name: sum(layer.resources()[name] for layer in both) for name in ESTIMATED}
    estimated = {name: sum(layer.estimate[name] for layer in both) for name in ESTIMATED}
    return {
        "layers": len(both),
        "synthesised": measured,
        "estimated": estimated,
        "LUT without ternary": sum(layer.measured.lut_without_ternary for layer in both if layer.measured is not None),
        "error": estimated["LUT"] / measured["LUT"] - 1 if measured["LUT"] else None,
        "FF": sum(layer.measured.ff for layer in both if layer.measured is not None),
        "RAM, SRL": sum(
            layer.measured.lut_memory + layer.measured.lut_srl for layer in both if layer.measured is not None
        ),
    }


def _with_both(layers: Sequence[SynthesisedLayer]) -> Iterator[SynthesisedLayer]:
    return (layer for layer in layers if layer.measured is not None and layer.estimate)


def _shown(value: float | None) -> str:
    return "?" if value is None else str(round(value))


def _percent(error: float | None) -> str:
    return "-" if error is None else f"{100 * error:+.1f}%"


def _unit(layer: Any, node: Any) -> RtlUnit | str:
    try:
        return unit_of(layer, node)
    except NoUnitError as error:
        return str(error)


def _compared(report: Path, estimate: object) -> dict[str, float]:
    """Return the resources that are compared, of one layer of a report: all of `ESTIMATED`, or none."""
    if estimate == {}:
        return {}
    compared = {name: estimate.get(name) for name in ESTIMATED} if isinstance(estimate, dict) else {}
    numbers = {name: value for name, value in compared.items() if isinstance(value, int | float)}
    if set(numbers) != set(ESTIMATED):
        raise InputError(f"{report}: expected numbers for {', '.join(ESTIMATED)}, found {estimate}; build again")
    return numbers


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a report of bfx build, found {error}; build again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a report of bfx build, found {type(content).__name__}; build again")
    return content
