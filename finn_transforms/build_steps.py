"""Steps for FINN's builder: put them into ``DataflowBuildConfig.steps``.

Example::

    from finn.builder.build_dataflow_config import DataflowBuildConfig, DataflowOutputType
    from finn_transforms.build_steps import estimate_only_steps
    from finn_transforms.finn_compat import run_builder

    config = DataflowBuildConfig(
        output_dir="finn_out",
        synth_clk_period_ns=5.0,
        target_fps=1000,
        fpga_part="xczu7ev-ffvc1156-2-e",
        generate_outputs=[DataflowOutputType.ESTIMATE_REPORTS],
        steps=estimate_only_steps(),
    )
    run_builder("exported.onnx", config)      # with Vivado, FINN's own build_dataflow_cfg does as well

Needs the extra ``finn``; importing this module says so where it is missing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import onnx_ir as ir
from qonnx.core.modelwrapper import ModelWrapper

from finn_transforms.analysis.matching import layer_type
from finn_transforms.build import lower
from finn_transforms.cost import dsp_block, estimate_graph, part_family
from finn_transforms.finn_compat import prepare_finn, require_finn
from finn_transforms.folding import (
    CostModel,
    FoldingOptions,
    cheaper_forms,
    cycles_per_frame,
    fold,
    fold_by_cost,
    read_forms,
    write_folding,
    write_forms,
)
from finn_transforms.hw import register, request_luts
from finn_transforms.hw_graph import SparqEncoderParams, SparqMvauParams, read_hw_graph
from finn_transforms.impl_style import choose_impl_style
from finn_transforms.ops.shift import UNIT as SHIFT_UNIT
from finn_transforms.ops.sparq import SPARQ_LAYERS
from finn_transforms.passes import CheckAccumulatorContract, MinimizeAccumulators, RestoreSigns
from finn_transforms.report import (
    accumulator_rows,
    certificates,
    folding_document,
    layer_breakdown,
    layer_resources,
    write_json,
)

if TYPE_CHECKING:
    from finn.builder.build_dataflow_config import DataflowBuildConfig

BuildStep: TypeAlias = "Callable[[ModelWrapper, DataflowBuildConfig], ModelWrapper] | str"

_LOGGER = logging.getLogger("finn_transforms.build_steps")

require_finn()


def step_bfx_lower_to_hw(model: ModelWrapper, cfg: DataflowBuildConfig) -> ModelWrapper:
    """Lower an exported model to FINN's hardware layers and prove its accumulator contract.

    Takes the place of FINN's ``step_qonnx_to_finn`` to ``step_minimize_bit_width_initial``.  Nodes that are not
    converted are logged and listed in ``report/refusals.json``; FINN leaves those in front of and behind the hardware
    layers to the host, and refuses others.

    Raises:
        BrokenContractError: a promise about an accumulator is not kept; names layer and channel.
        ContractViolationError: weights overflow a promised width.
    """
    lowered = lower(ir.serde.deserialize_model(model.model))
    if any(layer_type(node) in SPARQ_LAYERS for node in lowered.model.graph):
        # FINN knows these layers from here on.
        register()
    for refusal in lowered.refusals:
        _LOGGER.warning("%s", refusal)
    for name in choose_impl_style(lowered.model, "finn"):
        _LOGGER.info("%s: HLS variant, since its accumulator is narrower than one product", name)
    write_json(cfg.get_report_directory() / "refusals.json", [vars(refusal) for refusal in lowered.refusals])
    return ModelWrapper(ir.serde.serialize_model(lowered.model))


def step_bfx_compute_in_luts(model: ModelWrapper, _cfg: DataflowBuildConfig) -> ModelWrapper:
    """Have every matrix-vector unit built in LUTs, the setting of A2Q's section 5.3; before ``step_specialize_layers``.

    Without this step FINN takes DSP slices for products of at least 4 x 4 bits.
    """
    lowered = ir.serde.deserialize_model(model.model)
    choose_impl_style(lowered, "lut")
    return ModelWrapper(ir.serde.serialize_model(lowered))


def step_bfx_mvau_in_luts(model: ModelWrapper, _cfg: DataflowBuildConfig) -> ModelWrapper:
    """Have every matrix-vector unit built in LUTs from our RTL, without HLS; before ``step_specialize_layers``.

    FINN's ``SpecializeLayers`` then chooses ``MVAU_rtl`` for them; see `finn_transforms.hw`.  Units that have no RTL
    here are logged, and FINN chooses for them.
    """
    register()
    lowered = ir.serde.deserialize_model(model.model)
    for name, reason in request_luts(lowered).items():
        _LOGGER.warning("%s: no unit in LUTs: %s", name, reason)
    return ModelWrapper(ir.serde.serialize_model(lowered))


def step_bfx_choose_shift_units(model: ModelWrapper, cfg: DataflowBuildConfig) -> ModelWrapper:
    """Have products shifted where that takes fewer LUTs than shifts in the weights; before ``step_specialize_layers``.

    Chosen with the folding for ``target_fps`` that `step_bfx_fold_by_cost` goes by, or without one for the folding of
    the file.  FINN's own folding knows no such units and would leave them unfolded.

    Raises:
        InfeasibleFoldingError: a layer cannot be that fast.
    """
    lowered = ir.serde.deserialize_model(model.model)
    costs = CostModel(dsp=dsp_block(cfg._resolve_fpga_part()), in_luts=False)
    choices = read_forms(lowered)
    if not choices.alternatives:
        return model
    if cfg.target_fps is None:
        chosen = cheaper_forms(choices, costs)
    else:
        chosen = fold_by_cost(choices, cycles_per_frame(cfg.target_fps, cfg.synth_clk_period_ns), costs).graph
    for rewrite in write_forms(lowered, chosen, costs)[1]:
        _LOGGER.info("%s: %s", rewrite.node, rewrite.detail)
    if any(layer_type(node) == SHIFT_UNIT for node in lowered.graph):
        # FINN knows the layer from here on.
        register()
    return ModelWrapper(ir.serde.serialize_model(lowered))


def step_bfx_fold_by_cost(model: ModelWrapper, cfg: DataflowBuildConfig) -> ModelWrapper:
    """Fold for ``target_fps`` with the fewest LUTs; in the place of FINN's ``step_target_fps_parallelization``.

    Leaves the model as it is where there is no such target, as FINN's step does.  Writes ``report/folding.json``.

    Raises:
        InfeasibleFoldingError: a layer cannot be that fast.
    """
    if cfg.target_fps is None:
        return model
    specialized = ir.serde.deserialize_model(model.model)
    # The nodes say themselves what goes into DSP slices and block memories.
    costs = CostModel(dsp=dsp_block(cfg._resolve_fpga_part()), in_luts=False)
    target = cycles_per_frame(cfg.target_fps, cfg.synth_clk_period_ns)
    folding = fold_by_cost(read_hw_graph(specialized), target, costs)
    write_folding(specialized, folding.graph)
    write_json(cfg.get_report_directory() / "folding.json", folding_document(folding, "cost"))
    return ModelWrapper(ir.serde.serialize_model(specialized))


def step_bfx_fold_sparq(model: ModelWrapper, cfg: DataflowBuildConfig) -> ModelWrapper:
    """Fold SPARQ's layers by the rules of FINN's ``step_target_fps_parallelization``, which does not know them.

    Comes in front of that step: where a layer misses the target, FINN folds all others to the slowest layer, and an
    unfolded one would be that.  Leaves the model as it is where there is no target.
    """
    if cfg.target_fps is None:
        return model
    specialized = ir.serde.deserialize_model(model.model)
    target = cycles_per_frame(cfg.target_fps, cfg.synth_clk_period_ns)
    options = FoldingOptions(target_cycles=target, weight_stream_bits=cfg.mvau_wwidth_max, relax=False)
    folded = fold(read_hw_graph(specialized), options)
    ours = tuple(layer for layer in folded.layers if isinstance(layer, SparqEncoderParams | SparqMvauParams))
    if not ours:
        return model
    write_folding(specialized, replace(folded, layers=ours))
    return ModelWrapper(ir.serde.serialize_model(specialized))


def step_bfx_minimize_accumulators(model: ModelWrapper, _cfg: DataflowBuildConfig) -> ModelWrapper:
    """Give every accumulator its exact width again; after ``step_minimize_bit_width``, which goes by data types.

    That step also decides anew which weights are signs, and which have one, by their lowest and highest value alone,
    and so changes what units compute; see `RestoreSigns`, which undoes it.
    """
    return model.transform(RestoreSigns()).transform(MinimizeAccumulators())


def step_bfx_check_contract(model: ModelWrapper, _cfg: DataflowBuildConfig) -> ModelWrapper:
    """Prove the accumulator contract on the graph as it is now.

    Raises:
        BrokenContractError: a promise about an accumulator is not kept; names layer and channel.
        ContractViolationError: weights overflow a promised width.
    """
    return model.transform(CheckAccumulatorContract())


def step_bfx_estimate_reports(model: ModelWrapper, cfg: DataflowBuildConfig) -> ModelWrapper:
    """Write our reports: estimates in the place of FINN's, accumulators and certificates.

    ``estimate_layer_resources.json`` then has our figures, which count accumulators, comparators and products in LUTs
    for every variant, where FINN's say 0 for its RTL units.  FINN's own are kept in
    ``finn_estimate_layer_resources.json``, and stand for layers that have no estimate here.
    """
    lowered = ir.serde.deserialize_model(model.model)
    graph = read_hw_graph(lowered)
    part = cfg._resolve_fpga_part()
    estimates = estimate_graph(graph, lowered, dsp=dsp_block(part), family=part_family(part))
    reports = cfg.get_report_directory()
    theirs, kept = reports / "estimate_layer_resources.json", reports / "finn_estimate_layer_resources.json"
    if theirs.exists():
        theirs.replace(kept)
    others = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    write_json(theirs, layer_resources(estimates, others))
    write_json(reports / "bfx_estimate_breakdown.json", layer_breakdown(graph, estimates))
    write_json(reports / "accumulators.json", [vars(row) for row in accumulator_rows(lowered)])
    write_json(reports / "certificates.json", certificates(lowered))
    return model


def estimate_only_steps(
    *, compute_in_luts: bool = False, mvau_in_luts: bool = False, by_cost: bool = False
) -> list[BuildStep]:
    """Return the steps from an exported file to FINN's estimate reports; none needs Vivado.

    Our steps and FINN's, in order: lowering, partition, specialization, folding, FINN's bit widths, then the exact
    accumulators and their proof, FINN's estimates and ours.

    Args:
        compute_in_luts: include `step_bfx_compute_in_luts`.
        mvau_in_luts: include `step_bfx_mvau_in_luts`.
        by_cost: fold with `step_bfx_fold_by_cost` instead of FINN's step and `step_bfx_fold_sparq`, and include
            `step_bfx_choose_shift_units`.
    """
    prepare_finn()
    if mvau_in_luts:
        # Also where a build goes on behind that step.
        register()
    return [
        step_bfx_lower_to_hw,
        *([step_bfx_compute_in_luts] if compute_in_luts else []),
        *([step_bfx_mvau_in_luts] if mvau_in_luts else []),
        *([step_bfx_choose_shift_units] if by_cost else []),
        "step_create_dataflow_partition",
        "step_specialize_layers",
        *([step_bfx_fold_by_cost] if by_cost else [step_bfx_fold_sparq, "step_target_fps_parallelization"]),
        "step_apply_folding_config",
        "step_minimize_bit_width",
        step_bfx_minimize_accumulators,
        step_bfx_check_contract,
        "step_generate_estimate_reports",
        step_bfx_estimate_reports,
    ]


def default_steps(
    *, compute_in_luts: bool = False, mvau_in_luts: bool = False, by_cost: bool = False
) -> list[BuildStep]:
    """Return the steps of a complete build: `estimate_only_steps`, then FINN's own from hardware generation on.

    Those need Vivado.

    Args:
        compute_in_luts: include `step_bfx_compute_in_luts`.
        mvau_in_luts: include `step_bfx_mvau_in_luts`.
        by_cost: fold with `step_bfx_fold_by_cost` instead of FINN's step and `step_bfx_fold_sparq`, and include
            `step_bfx_choose_shift_units`.
    """
    steps = estimate_only_steps(compute_in_luts=compute_in_luts, mvau_in_luts=mvau_in_luts, by_cost=by_cost)
    from finn.builder.build_dataflow_config import default_build_dataflow_steps

    after_estimates = default_build_dataflow_steps.index("step_generate_estimate_reports") + 1
    return [*steps, *default_build_dataflow_steps[after_estimates:]]
