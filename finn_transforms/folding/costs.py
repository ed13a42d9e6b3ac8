"""What the layers of a graph and the width converters between them cost, each computed once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import lcm
from typing import NamedTuple

from qonnx.core.datatype import BaseDataType

from finn_transforms.cost import DspBlock, Estimate, estimate, lut_only
from finn_transforms.hw_graph import HwLayer
from finn_transforms.rtl import RtlUnit
from finn_transforms.rtl.width_converter import WidthConverter


class Cost(NamedTuple):
    """What is minimised: LUTs; among equally many, block resources; among those, flip-flops.

    Attributes:
        lut: LUTs.
        blocks: DSP slices, block RAMs (18 Kbit) and UltraRAMs together.
        ff: Flip-flops.
    """

    lut: int = 0
    blocks: int = 0
    ff: int = 0

    @classmethod
    def of(cls, found: Estimate) -> Cost:
        """Return the cost in an estimate."""
        return cls(lut=found.lut, blocks=found.dsp + found.bram18 + found.uram, ff=found.ff)


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """The estimate, with a memory: networks repeat their layers, and each folding is asked for many times.

    It goes by parameters, as if all weights were different: what equal ones save is hardly a matter of folding, and is
    in the estimate of the folded network.

    Attributes:
        dsp: The part's kind of DSP slice.
        in_luts: Whether LUTs are the only resource, see `finn_transforms.cost.lut_only`.
    """

    dsp: DspBlock = "DSP48E2"
    in_luts: bool = True
    _layers: dict[HwLayer, Cost] = field(default_factory=dict, repr=False, compare=False)
    _converters: dict[tuple[BaseDataType, int, int], Cost] = field(default_factory=dict, repr=False, compare=False)

    def layer(self, layer: HwLayer) -> Cost:
        """Return the cost of a layer."""
        nameless = replace(layer, name="")
        if nameless not in self._layers:
            self._layers[nameless] = self._estimated(lut_only(nameless) if self.in_luts else nameless)
        return self._layers[nameless]

    def converter(self, data_type: BaseDataType, elements_in: int, elements_out: int) -> Cost:
        """Return the cost of the width converter of a stream, from elements per beat to elements per beat."""
        if elements_in == elements_out:
            return Cost()
        key = data_type, elements_in, elements_out
        if key not in self._converters:
            unit = WidthConverter(
                name="converter",
                data_type=data_type,
                elements_in=elements_in,
                elements_out=elements_out,
                # How many beats a frame has makes no difference.
                elements=lcm(elements_in, elements_out),
            )
            self._converters[key] = self._estimated(unit)
        return self._converters[key]

    def _estimated(self, params: HwLayer | RtlUnit) -> Cost:
        return Cost.of(estimate(params, dsp=self.dsp))
