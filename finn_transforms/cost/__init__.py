"""What a hardware layer costs: LUT, FF, BRAM, URAM, DSP and cycles, from its parameters alone."""

from finn_transforms.cost.breakdown import Breakdown
from finn_transforms.cost.coefficients import MODEL, load_coefficients
from finn_transforms.cost.dsp import DspBlock, dsp_block
from finn_transforms.cost.estimate import Estimate, EstimatedLayer, estimate, estimate_all, lut_only
from finn_transforms.cost.synthesize import SynthesisError, synthesize
from finn_transforms.cost.utilization import CriticalPath, Utilization

__all__ = [
    "MODEL",
    "Breakdown",
    "CriticalPath",
    "DspBlock",
    "Estimate",
    "EstimatedLayer",
    "SynthesisError",
    "Utilization",
    "dsp_block",
    "estimate",
    "estimate_all",
    "load_coefficients",
    "lut_only",
    "synthesize",
]
