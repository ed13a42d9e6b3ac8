"""What ``bfx build`` prints about a build."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from finn_transforms.build import BuildResult

# How many nodes a message names.
_NAMED = 5


def summarize(result: BuildResult) -> None:
    """Print what was built: accumulators, layers, folding, and what was not converted."""
    from finn_transforms.hw_graph import ShiftMvauParams
    from finn_transforms.report import accumulator_table, layer_table, not_estimated

    console = Console()
    console.print(accumulator_table(result.accumulators))
    console.print(layer_table(result.graph, result.estimates))
    options, performance = result.options, result.performance
    console.print(
        f"{_folding(result)}: {performance['estimated_throughput_fps']:.0f} frames/s at {1e3 / options.clock_ns:g} MHz "
        f"on {options.part}, products in {options.compute.upper()}s.",
        highlight=False,
    )
    if choices := len(result.graph.alternatives):
        shifted = sum(isinstance(layer, ShiftMvauParams) for layer in result.graph.layers)
        console.print(
            f"Products shifted in {shifted} of {choices} layers whose input channels differ by powers of two, where "
            "that takes fewer LUTs than wider weights: report/rewrites.json.",
            highlight=False,
        )
    unknown = Counter(node.op_type for node in not_estimated(result.graph, result.estimates))
    if unknown:
        kinds = ", ".join(f"{count} {kind}" for kind, count in unknown.most_common())
        console.print(f"Not estimated, and not in these sums: {kinds}.", highlight=False)
    list_refusals(result.refusals)
    _warn_of_islands(result)
    console.print(f"Written: {plain(str(result.output))}/hw_graph.onnx and report/*.json", highlight=False)


def _folding(result: BuildResult) -> str:
    options, folding = result.options, result.folding
    if options.folding_method == "as in the file":
        return "Folding as in the file, PE = SIMD = 1 by default (no --target-fps, no --max-luts)"
    if options.max_luts is None:
        target = f"Folded for {options.target_fps:g} frames/s"
    else:
        target = f"Folded for at most {options.max_luts} LUTs"
    size = f"{folding.lut} LUTs with {folding.converter_lut} of width converters"
    if options.folding == "finn":
        return f"{target} as FINN does, {size}"
    proof = "proven to be the fewest" if folding.is_optimal else f"at least {folding.lower_bound} are needed"
    return f"{target}, {size}, {proof}"


def list_refusals(refusals: tuple[object, ...]) -> None:
    """Print why nodes were not converted, a line each."""
    console = Console(soft_wrap=True)
    console.print(f"Not converted: {len(refusals) or 'nothing'}{':' if refusals else '.'}", highlight=False)
    for refusal in refusals:
        console.print(f"  {plain(str(refusal))}", highlight=False)


def _warn_of_islands(result: BuildResult) -> None:
    from finn_transforms.analysis.islands import nodes_between_hardware

    between = nodes_between_hardware(result.model)
    if not between:
        return
    names = ", ".join(f"{node.op_type} {node.name!r}" for node in between[:_NAMED])
    more = f" and {len(between) - _NAMED} more" if len(between) > _NAMED else ""
    Console(stderr=True, soft_wrap=True).print(
        f"[bold yellow]Warning:[/] the hardware layers are not one accelerator: {plain(names + more)} between them "
        "would run on the host, which FINN's builder refuses; see what was not converted",
        highlight=False,
    )


def plain(text: str) -> str:
    """Return a text in which nothing is markup."""
    from rich.markup import escape

    return escape(text)
