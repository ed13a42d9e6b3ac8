"""Folding: how many inputs (SIMD) and outputs (PE) each layer takes per cycle.

By cost, proven to take the fewest LUTs (`fold_by_cost`, `fold_to_luts`), or greedily as FINN's ``SetFolding`` (`fold`).
"""

from finn_transforms.folding.by_cost import InfeasibleFoldingError, fold_by_cost, fold_to_luts
from finn_transforms.folding.costs import Cost, CostModel
from finn_transforms.folding.forms import cheaper_forms, read_forms, write_forms
from finn_transforms.folding.nodes import write_folding
from finn_transforms.folding.pricing import Converter, Folding, priced
from finn_transforms.folding.set_folding import FoldingOptions, fold
from finn_transforms.folding.throughput import cycles_per_frame, reachable_fps

__all__ = [
    "Converter",
    "Cost",
    "CostModel",
    "Folding",
    "FoldingOptions",
    "InfeasibleFoldingError",
    "cheaper_forms",
    "cycles_per_frame",
    "fold",
    "fold_by_cost",
    "fold_to_luts",
    "priced",
    "reachable_fps",
    "read_forms",
    "write_folding",
    "write_forms",
]
