"""The entry point: one layer's parameters to what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from finn_transforms.cost.breakdown import Breakdown
from finn_transforms.cost.coefficients import CostModel, load_model
from finn_transforms.cost.dsp import DspBlock
from finn_transforms.cost.layers import layer_structures
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import Luts, lut_count
from finn_transforms.cost.timing import Family, fmax_class
from finn_transforms.cost.units import unit_structures
from finn_transforms.hw_graph import HwLayer, MvauParams, SwgParams, ThresholdingParams, VvauParams
from finn_transforms.rtl import RtlUnit


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one layer costs.

    Attributes:
        name: Name of the node or unit.
        breakdown: LUTs by purpose.
        lut_logic: LUTs as logic.
        lut_memory: LUTs as distributed memory.
        lut_srl: LUTs as shift registers.
        lut_interval: The least and the most LUTs that its synthesis is expected to take; how often that held on
            configurations that were not fitted to is in ``coefficients.json``, per kind of layer.
        ff: Flip-flops.
        bram18: Block RAMs of 18 Kbit.
        uram: UltraRAMs.
        dsp: DSP slices.
        cycles: Clock cycles per frame.
        stored_bits: Bits that the block RAMs and UltraRAMs hold, for their efficiency.
        fmax_class: Rough clock frequency in MHz that it closes timing at, see `finn_transforms.cost.timing.fmax_class`.
        model: Which cost model this is.
        note: What the figures are for where FINN builds something else, e.g. in HLS; empty otherwise.
    """

    name: str
    breakdown: Breakdown
    lut_logic: int
    lut_memory: int
    lut_srl: int
    lut_interval: tuple[int, int]
    ff: int
    bram18: int
    uram: int
    dsp: int
    cycles: int
    stored_bits: int
    fmax_class: int
    model: str
    note: str = ""

    @property
    def lut(self) -> int:
        """LUTs in total."""
        return self.breakdown.total


def estimate_all(
    layers: Iterable[HwLayer | RtlUnit], *, dsp: DspBlock = "DSP48E2", family: Family = "xcup"
) -> tuple[Estimate, ...]:
    """Estimate every layer, in the same order; arguments as `estimate`."""
    return tuple(estimate(layer, dsp=dsp, family=family) for layer in layers)


def estimate(params: HwLayer | RtlUnit, *, dsp: DspBlock = "DSP48E2", family: Family = "xcup") -> Estimate:
    """Estimate one layer from its parameters.

    What adders, comparators, memories and counters there are, and how wide, is arithmetic: it follows from the
    parameters as the hardware library builds them. How many LUTs a bit of each takes was fitted to synthesised units
    (`finn_transforms.cost.synthesize`, ``benchmarks/cost/fit.py``) and stands in ``coefficients.json``, with the error
    on units that were not fitted to.

    Args:
        params: a generated unit, whose weights and thresholds are known, or a layer of a hardware graph, whose are
            taken to be all different.  A layer that FINN builds in HLS costs what the generated unit for it does.
        dsp: the part's kind of DSP slice, see `dsp_block`.
        family: 7-series or UltraScale+.

    Raises:
        NoCostError: a unit of a kind that is not known here.
    """
    if isinstance(params, RtlUnit):
        structures = unit_structures(params, family)
    else:
        structures = layer_structures(params, dsp, family)
    return _estimate(params.name, structures, params.cycles(), load_model(), family)


def lut_only(params: HwLayer) -> HwLayer:
    """Return the layer with LUTs as the only resource, the setting of A2Q's section 5.3: no DSP, no block memory."""
    if isinstance(params, MvauParams | VvauParams):
        return replace(params, ram_style="distributed", dsp=False)
    if isinstance(params, SwgParams | ThresholdingParams):
        return replace(params, ram_style="distributed")
    return params


def _estimate(name: str, structures: Iterable[Structure], cycles: int, model: CostModel, family: Family) -> Estimate:
    parts = tuple(structures)
    kinds = [model.kinds[part.kind] for part in parts]
    luts = [lut_count(part.terms, kind.luts) for part, kind in zip(parts, kinds, strict=True)]
    intervals = [kind.spread.interval(_total(count)) for kind, count in zip(kinds, luts, strict=True)]
    delays = [
        sum(kind.delay[family].get(name, 0.03) * amount for name, amount in part.delay.items())
        for part, kind in zip(parts, kinds, strict=True)
    ]
    flip_flops = sum(
        kind.ff.get(name, 0.0) * amount
        for part, kind in zip(parts, kinds, strict=True)
        for name, amount in part.ff.items()
    )
    return Estimate(
        name=name,
        breakdown=sum((count.breakdown for count in luts), Breakdown()),
        lut_logic=sum(count.logic for count in luts),
        lut_memory=sum(count.memory for count in luts),
        lut_srl=sum(count.srl for count in luts),
        lut_interval=(sum(low for low, _ in intervals), sum(high for _, high in intervals)),
        ff=round(flip_flops),
        bram18=sum(part.bram18 for part in parts),
        uram=sum(part.uram for part in parts),
        dsp=sum(part.dsp for part in parts),
        cycles=cycles,
        stored_bits=sum(part.stored_bits for part in parts),
        fmax_class=fmax_class(max(delays)),
        model=model.name,
        note="; ".join(part.note for part in parts if part.note),
    )


def _total(luts: Luts) -> int:
    return luts.breakdown.total
