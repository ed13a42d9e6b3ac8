"""What a hardware layer costs: LUT, FF, BRAM, URAM, DSP and cycles, from its parameters alone."""

from finn_transforms.cost.breakdown import Breakdown
from finn_transforms.cost.coefficients import MODEL, load_model
from finn_transforms.cost.dsp import DspBlock, dsp_block, part_family
from finn_transforms.cost.estimate import Estimate, estimate, estimate_all, lut_only
from finn_transforms.cost.graph import estimate_graph
from finn_transforms.cost.synthesis import SynthesisError
from finn_transforms.cost.synthesize import synthesize
from finn_transforms.cost.synthesize_all import synthesis_results, synthesize_all
from finn_transforms.cost.units import NoCostError
from finn_transforms.cost.utilization import CriticalPath, Utilization
from finn_transforms.cost.vivado import Vivado
from finn_transforms.cost.yosys import Yosys

__all__ = [
    "MODEL",
    "Breakdown",
    "CriticalPath",
    "DspBlock",
    "Estimate",
    "NoCostError",
    "SynthesisError",
    "Utilization",
    "Vivado",
    "Yosys",
    "dsp_block",
    "estimate",
    "estimate_all",
    "estimate_graph",
    "load_model",
    "lut_only",
    "part_family",
    "synthesis_results",
    "synthesize",
    "synthesize_all",
]
