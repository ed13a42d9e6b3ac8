"""Rewrites of a QONNX graph; each runs on onnx_ir models and as a QONNX ``Transformation``."""

from finn_transforms.analysis.matching import Refusal, Rewrite
from finn_transforms.passes.cancel_transposes import CancelTransposes
from finn_transforms.passes.check_accumulator_contract import BrokenContractError, CheckAccumulatorContract
from finn_transforms.passes.drop_unused_bits import DropUnusedBits
from finn_transforms.passes.extract_integers import ExtractIntegers
from finn_transforms.passes.fold_shifts import FoldShifts
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
from finn_transforms.passes.lower import LoweringResult, lower_to_hardware
from finn_transforms.passes.minimize_accumulators import MinimizeAccumulators
from finn_transforms.passes.postpone_shuffles import PostponeShuffles
from finn_transforms.passes.restore_signs import RestoreSigns
from finn_transforms.passes.sort_channels import SortChannels
from finn_transforms.passes.tidy import Tidy

__all__ = [
    "BrokenContractError",
    "CancelTransposes",
    "CheckAccumulatorContract",
    "DropUnusedBits",
    "ExtractIntegers",
    "FoldShifts",
    "InferConcat",
    "InferDeconv",
    "InferElementwise",
    "InferGlobalAccPool",
    "InferMVAU",
    "InferPadding",
    "InferPool",
    "InferShapes",
    "InferShiftMVAU",
    "InferSparqMVAU",
    "InferSplit",
    "InferSumPool",
    "InferThresholding",
    "InferUpsample",
    "InferVVAU",
    "InsertDuplicateStreams",
    "LiftSequences",
    "LoweringResult",
    "MinimizeAccumulators",
    "PostponeShuffles",
    "Refusal",
    "RestoreSigns",
    "Rewrite",
    "SortChannels",
    "Tidy",
    "lower_to_hardware",
]
