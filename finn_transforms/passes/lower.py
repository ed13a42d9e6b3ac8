"""The passes in the order that takes an exported file to hardware layers."""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx_ir as ir

from finn_transforms.analysis.accumulators import Overflow
from finn_transforms.analysis.matching import Refusal, Rewrite
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes.cancel_transposes import CancelTransposes
from finn_transforms.passes.check_accumulator_contract import CheckAccumulatorContract
from finn_transforms.passes.drop_unused_bits import DropUnusedBits
from finn_transforms.passes.extract_integers import ExtractIntegers
from finn_transforms.passes.infer_concat import InferConcat
from finn_transforms.passes.infer_deconv import InferDeconv
from finn_transforms.passes.infer_elementwise import InferElementwise
from finn_transforms.passes.infer_global_acc_pool import InferGlobalAccPool
from finn_transforms.passes.infer_mvau import InferMVAU
from finn_transforms.passes.infer_padding import InferPadding
from finn_transforms.passes.infer_pool import InferPool
from finn_transforms.passes.infer_shapes import InferShapes
from finn_transforms.passes.infer_shift_mvau import InferShiftMVAU
from finn_transforms.passes.infer_sparq_mvau import InferSparqMVAU
from finn_transforms.passes.infer_split import InferSplit
from finn_transforms.passes.infer_sum_pool import InferSumPool
from finn_transforms.passes.infer_thresholding import InferThresholding
from finn_transforms.passes.infer_upsample import InferUpsample
from finn_transforms.passes.infer_vvau import InferVVAU
from finn_transforms.passes.insert_duplicate_streams import InsertDuplicateStreams
from finn_transforms.passes.lift_sequences import LiftSequences
from finn_transforms.passes.minimize_accumulators import Bound, MinimizeAccumulators
from finn_transforms.passes.postpone_shuffles import PostponeShuffles
from finn_transforms.passes.tidy import Tidy


@dataclass(frozen=True)
class LoweringResult:
    """A lowered model with everything that was done and everything that was left.

    Attributes:
        model: the same model, now a graph of FINN's hardware layers with host nodes in front and behind.
        rewrites: the changes, in order.
        refusals: nodes that were not converted, with the failed precondition and what to do.
    """

    model: ir.Model
    rewrites: list[Rewrite] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def hardware_passes(
    *, bound: Bound | None = "exact", overflow: Overflow = "any_order", shifts: bool = True
) -> list[HardwarePass]:
    """Return the passes from an exported file to hardware layers, in order.

    Args:
        bound: see `MinimizeAccumulators`; None leaves FINN's default of 32 bits.
        overflow: see `MinimizeAccumulators`.
        shifts: include `InferShiftMVAU`; without it there are FINN's own matrix-vector units only.
    """
    return [
        Tidy(),
        InferShapes(),
        PostponeShuffles(),
        ExtractIntegers(),
        DropUnusedBits(),
        LiftSequences(),
        InferThresholding(),
        InferSumPool(),
        InferSparqMVAU(),
        InferVVAU(),
        InferMVAU(),
        InferDeconv(),
        InferPool(),
        InferElementwise(),
        InferConcat(),
        InferSplit(),
        InferUpsample(),
        InferPadding(),
        InferGlobalAccPool(),
        CancelTransposes(),
        InsertDuplicateStreams(),
        *([] if bound is None else [MinimizeAccumulators(bound, overflow=overflow)]),
        *([InferShiftMVAU()] if shifts else []),
        CheckAccumulatorContract(),
    ]


def lower_to_hardware(
    model: ir.Model, *, bound: Bound | None = "exact", overflow: Overflow = "any_order", shifts: bool = True
) -> LoweringResult:
    """Convert a QONNX model in place to FINN's hardware layers, minimize its accumulators and prove its contract.

    Args:
        model: an exported model of batch size 1, or whose batch is the only unknown dimension.
        bound: see `MinimizeAccumulators`; None leaves FINN's default of 32 bits.
        overflow: see `MinimizeAccumulators`.
        shifts: see `hardware_passes`.

    Raises:
        BrokenContractError: see `CheckAccumulatorContract`.
    """
    result = LoweringResult(model)
    for each in hardware_passes(bound=bound, overflow=overflow, shifts=shifts):
        outcome = each(model)
        if isinstance(outcome, HardwarePassResult):
            result.rewrites.extend(outcome.rewrites)
            result.refusals.extend(outcome.refusals)
    return result
