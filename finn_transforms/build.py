"""From an exported file to hardware layers, folding, estimates and reports: what ``bfx build`` does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import onnx_ir as ir
from onnx_ir.passes.common import RemoveInitializersFromInputsPass, RemoveUnusedNodesPass

from finn_transforms.analysis.accumulators import Overflow
from finn_transforms.analysis.matching import HARDWARE_DOMAIN, Refusal, Rewrite
from finn_transforms.cost import Estimate, dsp_block, estimate_graph, lut_only, part_family
from finn_transforms.folding import (
    CostModel,
    Folding,
    FoldingOptions,
    InfeasibleFoldingError,
    cheaper_forms,
    cycles_per_frame,
    fold,
    fold_by_cost,
    fold_to_luts,
    priced,
    reachable_fps,
    read_forms,
    write_folding,
    write_forms,
)
from finn_transforms.hw_graph import HwGraph, read_hw_graph
from finn_transforms.impl_style import choose_impl_style
from finn_transforms.loading import InputError, load_model, require_one_sample
from finn_transforms.passes import LoweringResult, lower_to_hardware
from finn_transforms.report import (
    AccumulatorRow,
    accumulator_rows,
    certificates,
    folding_document,
    layer_breakdown,
    layer_cycles,
    layer_resources,
    network_performance,
    operations_and_parameters,
    publish,
    write_json,
)

Bound: TypeAlias = Literal["exact", "weights", "datatype"]
FoldingMethod: TypeAlias = Literal["cost", "finn"]


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What to build.

    Attributes:
        part: FPGA part; decides the kind of DSP slice.
        target_fps: Frames per second to fold for; None leaves the folding as it is, PE = SIMD = 1 unless the file says
            otherwise.
        max_luts: LUTs, width converters included, to find the highest throughput for, instead of `target_fps`.
        folding: How to fold for `target_fps`: ``"cost"``, with the fewest LUTs, or ``"finn"``, as FINN's
            ``SetFolding``, which goes by cycles alone and folds to the slowest layer where the target is out of reach.
        clock_ns: Clock period in nanoseconds; 5 is 200 MHz.
        bound: Width of the accumulators: ``"exact"``, ``"weights"`` (A2Q Eq. 12), ``"datatype"`` (Eq. 8), or None for
            FINN's default of 32 bits.
        overflow: ``"any_order"``: accumulators hold every partial sum in any order; ``"wrap"``: only the final sum,
            which is enough for those that wrap around.
        compute: Products in ``"lut"`` (then LUTs are the only resource, as in A2Q's section 5.3) or ``"dsp"``.
        shift_units: Whether layers whose input channels differ by powers of two may become units that shift products,
            each where that takes fewer LUTs in its folding; else the shifts are folded into all weights.

    Raises:
        InputError: an option is impossible.
    """

    part: str = "xczu7ev-ffvc1156-2-e"
    target_fps: float | None = None
    max_luts: int | None = None
    folding: FoldingMethod = "cost"
    clock_ns: float = 5.0
    bound: Bound | None = "exact"
    overflow: Overflow = "any_order"
    compute: Literal["lut", "dsp"] = "lut"
    shift_units: bool = True

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("bound", self.bound, (*get_args(Bound), None)),
            ("overflow", self.overflow, get_args(Overflow)),
            ("compute", self.compute, ("lut", "dsp")),
            ("folding", self.folding, get_args(FoldingMethod)),
        ):
            if value not in choices:
                raise InputError(f"{name}: expected one of {choices}, got {value!r}")
        if self.overflow == "wrap" and self.bound != "exact":
            raise InputError(f"overflow: expected 'any_order' with bound {self.bound!r}, got 'wrap'; use bound 'exact'")
        if self.max_luts is not None:
            self._check_budget(self.max_luts)
        try:
            dsp_block(self.part)
            cycles_per_frame(1 if self.target_fps is None else self.target_fps, self.clock_ns)
        except ValueError as error:
            raise InputError(str(error)) from error

    @property
    def folding_method(self) -> str:
        """How PE and SIMD come about, in a word."""
        return "as in the file" if self.target_fps is None and self.max_luts is None else self.folding

    def _check_budget(self, luts: int) -> None:
        if luts < 1:
            raise InputError(f"max_luts: expected a positive number, got {luts}")
        if self.target_fps is not None:
            raise InputError("expected a target throughput or a number of LUTs, got both; leave one out")
        if self.folding != "cost":
            raise InputError(f"folding: expected 'cost' with max_luts, got {self.folding!r}; FINN's goes by cycles")


class NothingConvertedError(ValueError):
    """No node of the model became a hardware layer.

    Attributes:
        refusals: Why, node by node.
    """

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        self.refusals = refusals
        super().__init__(
            "expected a network of quantized linear layers, found no node that can become a hardware layer; "
            "the refusals say why, node by node"
        )


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What was built.

    Attributes:
        model: The graph of hardware layers, host nodes in front and behind.
        folding: The layers' parameters, folded, with what they and the width converters between them cost.
        estimates: One per layer whose kind can be estimated, in the same order.
        accumulators: One row per matrix-vector or vector-vector unit.
        certificates: Why each accumulator is wide enough and no wider, see `finn_transforms.report.certificates`.
        performance: Throughput and latency, FINN's ``estimate_network_performance.json``.
        refusals: Nodes that were not converted, why, and what to do.
        rewrites: What the passes did, in order.
        options: What was asked for.
        output: The folder with the files, None where none was asked for.
    """

    model: ir.Model
    folding: Folding
    estimates: tuple[Estimate, ...]
    accumulators: tuple[AccumulatorRow, ...]
    certificates: dict[str, Any]
    performance: dict[str, int | float | str]
    refusals: tuple[Refusal, ...]
    rewrites: tuple[Rewrite, ...]
    options: BuildOptions = field(default_factory=BuildOptions)
    output: Path | None = None

    @property
    def graph(self) -> HwGraph:
        """The layers' parameters, folded."""
        return self.folding.graph

    @property
    def lut(self) -> int:
        """LUTs of all layers that can be estimated, without the width converters between them."""
        return sum(estimate.lut for estimate in self.estimates)

    def documents(self) -> dict[str, Any]:
        """Return the JSON reports by file name."""
        return {
            "accumulators.json": [vars(row) for row in self.accumulators],
            "certificates.json": self.certificates,
            "estimate_breakdown.json": {
                "part": self.options.part,
                "clock_ns": self.options.clock_ns,
                **layer_breakdown(self.graph, self.estimates),
            },
            "estimate_layer_cycles.json": layer_cycles(self.graph),
            "estimate_layer_resources.json": layer_resources(self.estimates),
            "estimate_network_performance.json": self.performance,
            "folding.json": folding_document(self.folding, self.options.folding_method),
            "op_and_param_counts.json": operations_and_parameters(self.graph),
            "refusals.json": [vars(refusal) for refusal in self.refusals],
            "rewrites.json": [vars(rewrite) for rewrite in self.rewrites],
        }


def build(
    model: ir.Model | str | Path, output: str | Path | None = None, options: BuildOptions | None = None
) -> BuildResult:
    """Lower a model to hardware layers, prove its accumulator contract, fold, choose units, estimate and report.

    Args:
        model: an exported QONNX model, or the file it is in.  A model given as an object is left as it is.
        output: folder for ``hw_graph.onnx`` and ``report/*.json``; None writes nothing.  Files appear only if
            everything succeeded.
        options: see `BuildOptions`.

    Raises:
        InputError: the file or an option cannot be used, or no folding meets the target.
        NothingConvertedError: the model has nothing that can become hardware.
        BrokenContractError: a promise about an accumulator is not kept; names layer and channel.
        ContractViolationError: weights overflow a promised width; names layer and channel, carries a witness.
        ContractFormatError: the file's contract cannot be read.
    """
    options = options or BuildOptions()
    source = model.clone() if isinstance(model, ir.Model) else load_model(Path(model))
    lowered = lower(source, bound=options.bound, overflow=options.overflow)
    if not read_hw_graph(lowered.model).layers:
        raise NothingConvertedError(tuple(lowered.refusals))
    choose_impl_style(lowered.model, options.compute)
    costs = CostModel(dsp=dsp_block(options.part), in_luts=options.compute == "lut")
    choices = read_forms(lowered.model) if options.shift_units else read_hw_graph(lowered.model)
    folding = _fold(choices, options, costs)
    graph, chosen = write_forms(lowered.model, folding.graph, costs)
    # Its costs stay those that it was found by, which know no weights.
    folding = replace(folding, graph=graph)
    write_folding(lowered.model, graph)
    in_luts = tuple(lut_only(layer) for layer in graph.layers)
    costed = replace(graph, layers=in_luts) if options.compute == "lut" else graph
    result = BuildResult(
        model=lowered.model,
        folding=folding,
        estimates=estimate_graph(costed, lowered.model, dsp=dsp_block(options.part), family=part_family(options.part)),
        accumulators=tuple(accumulator_rows(lowered.model)),
        certificates=certificates(lowered.model),
        performance=network_performance(graph, options.clock_ns),
        refusals=tuple(lowered.refusals),
        rewrites=(*lowered.rewrites, *chosen),
        options=options,
        output=None if output is None else Path(output),
    )
    if result.output is not None:
        _write(result, result.output)
    return result


def lower(
    model: ir.Model, *, bound: Bound | None = "exact", overflow: Overflow = "any_order", shifts: bool = False
) -> LoweringResult:
    """Run `lower_to_hardware` in place, then drop what nothing reads any more and declare the hardware's domain.

    Args:
        model: an exported model.
        bound: see `BuildOptions`.
        overflow: see `BuildOptions`.
        shifts: let units shift products where their weights are narrower then, see `InferShiftMVAU`.

    Raises:
        InputError: the model is for a batch of several samples.
        BrokenContractError: see `build`.
        ContractViolationError: see `build`.
    """
    require_one_sample(model)
    lowered = lower_to_hardware(model, bound=bound, overflow=overflow, shifts=shifts)
    # Exporters list weights among the inputs; FINN takes every input for a stream.
    RemoveInitializersFromInputsPass()(lowered.model)
    RemoveUnusedNodesPass()(lowered.model)
    lowered.model.opset_imports.setdefault(HARDWARE_DOMAIN, 1)
    return lowered


def _fold(graph: HwGraph, options: BuildOptions, costs: CostModel) -> Folding:
    try:
        if options.max_luts is not None:
            return fold_to_luts(graph, options.max_luts, costs)
        if options.target_fps is None:
            return priced(cheaper_forms(graph, costs), costs)
        target = cycles_per_frame(options.target_fps, options.clock_ns)
        if options.folding == "finn":
            return priced(cheaper_forms(fold(graph, FoldingOptions(target_cycles=target)), costs), costs)
        return fold_by_cost(graph, target, costs)
    except InfeasibleFoldingError as error:
        fps = reachable_fps(error.best.cycles, options.clock_ns)
        raise InputError(
            f"{error} (that folding: {error.best.lut} LUTs, {fps:.6g} frames/s at {1e3 / options.clock_ns:g} MHz)"
        ) from error


def _write(result: BuildResult, output: Path) -> None:
    try:
        with publish(output) as staging:
            ir.save(result.model, staging / "hw_graph.onnx")
            for name, document in result.documents().items():
                write_json(staging / "report" / name, document)
    except OSError as error:
        # Without a number, it is not the system's, and says everything itself.
        problem = error if error.errno is None else f"{output}: expected a folder that can be written, found {error}"
        raise InputError(str(problem)) from error
