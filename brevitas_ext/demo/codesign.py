"""The co-design settings of A2Q's section 5.3: who chooses the accumulator's width, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from finn_transforms.build import Bound, BuildOptions, BuildResult, build
from finn_transforms.cost.breakdown import Breakdown
from finn_transforms.hw_graph import PoolParams

Network = Literal["qat", "a2q"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One way to choose accumulator widths.

    Attributes:
        name: Short name, for tables and figures.
        network: Which trained network: plain quantization-aware training or A2Q.
        bound: How the compiler sets widths, see `finn_transforms.passes.MinimizeAccumulators`; None: 32 bits.
    """

    name: str
    network: Network
    bound: Bound | None


SETTINGS = (
    Setting(name="32 bits", network="qat", bound=None),
    Setting(name="data type bound", network="qat", bound="datatype"),
    Setting(name="post-training (PTM)", network="qat", bound="weights"),
    Setting(name="post-training, exact", network="qat", bound="exact"),
    Setting(name="A2Q, exact", network="a2q", bound="exact"),
)
"""The paper's four, and post-training minimization by exact extremes: what the compiler alone can add to PTM."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """A setting, built.

    Attributes:
        setting: What was built.
        result: The build.
    """

    setting: Setting
    result: BuildResult

    @property
    def breakdown(self) -> Breakdown:
        """LUTs of the network by purpose."""
        return sum((each.breakdown for each in self.result.estimates), start=Breakdown())

    @property
    def product_lut(self) -> int:
        """LUTs of multipliers and adder trees, which do not depend on P."""
        return self.breakdown.multipliers + self.breakdown.adder_tree

    @property
    def accumulator_lut(self) -> int:
        """LUTs of accumulators, comparators and threshold memories, which grow with P; a pool's comparators do not."""
        layers = zip(self.result.graph.layers, self.result.estimates, strict=True)
        parts = [each.breakdown for layer, each in layers if not isinstance(layer, PoolParams)]
        return sum(part.accumulator + part.comparators + part.threshold_memory for part in parts)

    @property
    def storage_lut(self) -> int:
        """LUTs of weights and buffers."""
        return self.breakdown.weights + self.breakdown.buffer

    @property
    def control_lut(self) -> int:
        """LUTs of everything else: counters, handshakes, the comparators of pools."""
        return self.result.lut - self.product_lut - self.accumulator_lut - self.storage_lut

    @property
    def widths(self) -> tuple[int, ...]:
        """Accumulator width of each matrix-vector unit, in order."""
        return tuple(row.width for row in self.result.accumulators)


def build_designs(files: Mapping[Network, Path], output: Path, target_fps: float) -> list[Design]:
    """Build every setting at the same folding, FINN's, which does not depend on what accumulators cost.

    Args:
        files: exported networks.
        output: the A2Q design's files are written here; the others leave none.
        target_fps: frames per second that all are folded for.
    """
    designs = []
    for setting in SETTINGS:
        options = BuildOptions(target_fps=target_fps, bound=setting.bound, folding="finn")
        folder = output if setting.network == "a2q" else None
        result = build(files[setting.network], folder, options)
        designs.append(Design(setting=setting, result=result))
    return designs
