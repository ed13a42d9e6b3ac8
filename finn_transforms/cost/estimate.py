"""The entry point: one layer's parameters to what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from finn_transforms.cost.breakdown import Breakdown
from finn_transforms.cost.coefficients import MODEL
from finn_transforms.cost.dsp import DspBlock
from finn_transforms.cost.matrix_vector import mvau_cost
from finn_transforms.cost.resources import Resources
from finn_transforms.cost.stream import padding_cost, pool_cost, swg_cost
from finn_transforms.cost.thresholding import thresholding_cost
from finn_transforms.hw_graph import (
    HwLayer,
    MvauParams,
    PaddingParams,
    PoolParams,
    SwgParams,
    ThresholdingParams,
)

EstimatedLayer: TypeAlias = MvauParams | ThresholdingParams | SwgParams | PaddingParams | PoolParams


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one layer costs.

    Attributes:
        name: Name of the node.
        breakdown: LUTs by purpose.
        ff: Flip-flops that hold the layer's state (accumulators, window registers, pipeline of the thresholds, stream
            registers); a tool's pipelining comes on top.
        bram18: Block RAMs of 18 Kbit.
        uram: UltraRAMs.
        dsp: DSP slices.
        cycles: Clock cycles per frame.
        stored_bits: Bits that the block RAMs and UltraRAMs hold, for their efficiency.
        model: Which cost model this is; the interim one.
    """

    name: str
    breakdown: Breakdown
    ff: int
    bram18: int
    uram: int
    dsp: int
    cycles: int
    stored_bits: int
    model: str = MODEL

    @property
    def lut(self) -> int:
        """LUTs in total."""
        return self.breakdown.total


def estimate_all(layers: Iterable[HwLayer], *, dsp: DspBlock = "DSP48E2") -> tuple[Estimate, ...]:
    """Estimate the layers whose kind has constants; the others are left out, nothing is made up for them."""
    return tuple(estimate(layer, dsp=dsp) for layer in layers if isinstance(layer, EstimatedLayer))


def estimate(params: EstimatedLayer, *, dsp: DspBlock = "DSP48E2") -> Estimate:
    """Estimate one layer from its parameters.

    The structure is FINN-R's (Blott et al., "FINN-R: An End-to-End Deep-Learning Framework for Fast Exploration of
    Quantized Neural Networks", ACM TRETS 11(3), 2018): what grows with PE, SIMD, widths and memories. In addition,
    the accumulator, the comparators and the threshold memory grow with P in every kind of layer, RTL ones included,
    as A2Q (arXiv 2308.13504, section 5.3.1 and appendix C) argues from that structure. Constants are in
    ``coefficients.json``.

    Args:
        params: the layer.
        dsp: the part's kind of DSP slice, see `dsp_block`.
    """
    resources = _resources(params, dsp)
    return Estimate(
        name=params.name,
        breakdown=resources.breakdown,
        ff=resources.ff,
        bram18=resources.bram18,
        uram=resources.uram,
        dsp=resources.dsp,
        cycles=params.cycles(),
        stored_bits=resources.stored_bits,
    )


def lut_only(params: HwLayer) -> HwLayer:
    """Return the layer with LUTs as the only resource, the setting of A2Q's section 5.3: no DSP, no block memory."""
    if isinstance(params, MvauParams):
        return replace(params, ram_style="distributed", dsp=False)
    if isinstance(params, SwgParams | ThresholdingParams):
        return replace(params, ram_style="distributed")
    return params


def _resources(params: EstimatedLayer, dsp: DspBlock) -> Resources:
    if isinstance(params, MvauParams):
        return mvau_cost(params, dsp)
    if isinstance(params, ThresholdingParams):
        return thresholding_cost(params)
    if isinstance(params, SwgParams):
        return swg_cost(params)
    if isinstance(params, PoolParams):
        return pool_cost(params)
    return padding_cost(params)
