"""LUTs of thresholding by search and memory, beside FINN's own RTL, synthesised with the same open tool.

Run: ``python -m benchmarks.cost.thresholding_styles`` (about 5 minutes on an idle machine; what the cache has is not
repeated). The figures go to ``benchmarks/results/thresholding_styles.json``; `FAMILY` and the counting are those of
`finn_transforms.cost.synthesize`. Thresholds are drawn evenly over the input's range: the worst case for tables.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from qonnx.core.datatype import resolve_datatype

from benchmarks.recording import RESULTS, record
from finn_transforms.cost.synthesize import synthesize
from finn_transforms.hw_graph import ThresholdingParams
from finn_transforms.rtl.finn_library import FinnThresholding
from finn_transforms.rtl.thresholding import Memory, Search, Thresholding
from finn_transforms.rtl.unit import RtlUnit

FAMILY = "xcup"
PARALLEL_STEPS = 15
"""A parallel search of more steps takes minutes to synthesise and has lost by then."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A configuration: signed inputs of some bits, own thresholds per channel."""

    bits: int
    steps: int
    fold: int
    pe: int

    def thresholds(self) -> np.ndarray:
        """Return random thresholds, (channels, steps)."""
        generator = np.random.default_rng(self.bits * 1000 + self.steps)
        half = 1 << (self.bits - 1)
        return np.sort(generator.integers(-half + 1, half, size=(self.fold * self.pe, self.steps)), axis=1)

    def own(self, search: Search, memory: Memory) -> Thresholding:
        """Return it as our unit."""
        return Thresholding(
            name="own",
            channels=self.fold * self.pe,
            pe=self.pe,
            thresholds=self.thresholds(),
            input_type=resolve_datatype(f"INT{self.bits}"),
            output_type=resolve_datatype(f"UINT{self.steps.bit_length()}"),
            search=search,
            memory=memory,
        )

    def finn(self) -> FinnThresholding:
        """Return it as FINN's unit."""
        input_type = resolve_datatype(f"INT{self.bits}")
        layer = ThresholdingParams(
            name="finn",
            channels=self.fold * self.pe,
            pe=self.pe,
            steps=self.steps,
            input_type=input_type,
            threshold_type=input_type,
            output_type=resolve_datatype(f"UINT{self.steps.bit_length()}"),
        )
        return FinnThresholding(name="finn", layer=layer, thresholds=self.thresholds())

    def units(self) -> Iterator[tuple[str, RtlUnit]]:
        """Return the styles by name."""
        yield "binary", self.own("binary", "distributed")
        if self.fold * (self.steps + 1) // 2 > 64:
            yield "binary_block", self.own("binary", "block")
        if self.steps <= PARALLEL_STEPS and self.pe == 1:
            yield "parallel", self.own("parallel", "distributed")
        yield "finn", self.finn()


CASES = [
    *(Case(bits=bits, steps=15, fold=4, pe=4) for bits in (4, 8, 12, 16, 24)),
    *(Case(bits=bits, steps=steps, fold=4, pe=1) for steps in (1, 2, 3, 7, 12, 31) for bits in (8, 16)),
    *(Case(bits=bits, steps=15, fold=fold, pe=1) for fold in (1, 2, 3, 8) for bits in (8, 20)),
    *(Case(bits=12, steps=steps, fold=1, pe=4) for steps in (1, 3)),
    Case(bits=8, steps=15, fold=16, pe=1),
]


def measure(case: Case) -> dict[str, Any]:
    """Return the figures of a configuration by style."""
    figures: dict[str, Any] = {"bits": case.bits, "steps": case.steps, "fold": case.fold, "pe": case.pe}
    for style, unit in case.units():
        found = synthesize(unit, FAMILY)
        path = found.critical_path
        figures[style] = {
            "lut": found.lut,
            "lut_paired": found.lut_paired,
            "ff": found.ff,
            "bram18": found.bram18,
            "delay_ns": path.delay_ns if path else None,
            "lut_levels": path.lut_levels if path else None,
            "carry_bits": path.carry_bits if path else None,
        }
    return figures


def main() -> None:
    """Measure all configurations and record them."""
    rows = []
    for case in CASES:
        rows.append(measure(case))
        luts = {style: figure["lut"] for style, figure in rows[-1].items() if isinstance(figure, dict)}
        sys.stdout.write(f"{case} {luts}\n")
        sys.stdout.flush()
    ratios = [row["binary"]["lut"] / row["finn"]["lut"] for row in rows]
    summary = {"worst_ratio_to_finn": max(ratios), "mean_ratio_to_finn": sum(ratios) / len(ratios)}
    tool = synthesize(CASES[0].own("binary", "distributed"), FAMILY).tool
    record(RESULTS / "thresholding_styles.json", {"family": FAMILY, "tool": tool, "summary": summary, "rows": rows})
    sys.stdout.write(f"{summary}\n")


if __name__ == "__main__":
    main()
