"""The contents of FINN's estimate reports, key for key, so that what reads FINN's files reads these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TypeAlias

from finn_transforms.cost import Estimate
from finn_transforms.cost.memory import BRAM18_BITS, URAM_BITS
from finn_transforms.hw_graph import HwGraph, HwLayer, MvauParams, ThresholdingParams, VvauParams

Numbers: TypeAlias = dict[str, int | float]


def layer_resources(estimates: Sequence[Estimate], others: Mapping[str, Numbers] | None = None) -> dict[str, Numbers]:
    """Return ``estimate_layer_resources.json``: resources per layer, and under ``total`` their sums.

    Args:
        estimates: of some layers.
        others: such a report by FINN, in whose order layers come; layers without an estimate keep its numbers.
    """
    per_layer: dict[str, Numbers] = {name: dict(found) for name, found in (others or {}).items() if name != "total"}
    for estimate in estimates:
        per_layer[estimate.name] = {
            "BRAM_18K": estimate.bram18,
            "BRAM_efficiency": _efficiency(estimate.stored_bits, estimate.bram18 * BRAM18_BITS),
            "LUT": estimate.lut,
            "URAM": estimate.uram,
            "URAM_efficiency": _efficiency(estimate.stored_bits, estimate.uram * URAM_BITS),
            "DSP": estimate.dsp,
        }
    return {**per_layer, "total": _totals(per_layer)}


def layer_cycles(graph: HwGraph) -> dict[str, int]:
    """Return ``estimate_layer_cycles.json``: clock cycles per frame of each layer."""
    return {layer.name: layer.cycles() for layer in graph.layers}


def network_performance(graph: HwGraph, clock_ns: float) -> dict[str, int | float | str]:
    """Return ``estimate_network_performance.json``.

    The slowest layer sets the throughput.  The latency, like FINN's, adds up the cycles along the longest path as if
    no two layers worked at the same time: an upper limit.

    Args:
        graph: the layers; at least one.
        clock_ns: clock period in nanoseconds.
    """
    finished: dict[str, int] = {}
    for layer in graph.layers:
        ready = max((finished.get(name, 0) for name in graph.feeders.get(layer.name, ())), default=0)
        finished[layer.name] = ready + layer.cycles()
    slowest = max(graph.layers, key=lambda layer: layer.cycles())
    critical = max(finished.values())
    return {
        "critical_path_cycles": critical,
        "max_cycles": slowest.cycles(),
        "max_cycles_node_name": slowest.name,
        "estimated_throughput_fps": 1e9 / clock_ns / slowest.cycles(),
        "estimated_latency_ns": critical * clock_ns,
    }


def operations_and_parameters(graph: HwGraph) -> dict[str, Numbers]:
    """Return ``op_and_param_counts.json``: operations per frame and parameters per layer, and their sums.

    Where FINN leaves thresholds out (its RTL layer) or counts one per channel (inside an MVAU), all are counted.
    """
    per_layer = {layer.name: _counts(layer) for layer in graph.layers}
    return {**per_layer, "total": _totals(per_layer)}


def _counts(layer: HwLayer) -> Numbers:
    if isinstance(layer, MvauParams | VvauParams):
        weight_bits, input_bits = int(layer.weight_type.bitwidth()), int(layer.input_type.bitwidth())
        narrow, wide = sorted((weight_bits, input_bits))
        *vectors, outputs = layer.output_shape
        counts: Numbers = {
            f"op_mac_{narrow}bx{wide}b": layer.length * outputs * prod(vectors),
            f"param_weight_{weight_bits}b": layer.length * outputs,
        }
        if layer.threshold_steps:
            counts[f"param_threshold_{layer.accumulator_bits}b"] = outputs * layer.threshold_steps
        return counts
    if isinstance(layer, ThresholdingParams):
        rows = 1 if layer.shared else layer.channels
        return {f"param_threshold_{int(layer.threshold_type.bitwidth())}b": rows * layer.steps}
    return {}


def _totals(per_layer: Mapping[str, Numbers]) -> Numbers:
    totals: Numbers = {}
    for numbers in per_layer.values():
        for key, number in numbers.items():
            if "efficiency" not in key:
                totals[key] = totals.get(key, 0.0) + float(number)
    return totals


def _efficiency(stored_bits: int, capacity_bits: int) -> int | float:
    """Return the share of a memory that is used; 1 where there is none, as in FINN."""
    return stored_bits / capacity_bits if capacity_bits else 1
