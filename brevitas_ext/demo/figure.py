"""The demonstration's figure: accumulator widths layer by layer, and where the LUTs go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from brevitas_ext.demo.codesign import Design, Network

_COLOURS = ("#7f7f7f", "#1f77b4", "#e0a800", "#8c564b", "#2ca02c")
_PARTS = (
    ("accumulator_lut", "accumulators, comparators, thresholds (grow with P)", "#c44e52"),
    ("product_lut", "products, adder trees", "#4c72b0"),
    ("storage_lut", "weights, buffers", "#dd8452"),
    ("control_lut", "control, pooling", "#c7c7c7"),
)


def draw(designs: Sequence[Design], accuracy: Mapping[Network, float], path: Path) -> None:
    """Draw widths and LUTs of the designs.

    Args:
        designs: the designs, one colour each.
        accuracy: top-1 accuracy of each network, by its name, in percent.
        path: where the PNG goes.
    """
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    _draw_widths(left, designs)
    _draw_luts(right, designs, accuracy)
    figure.savefig(path, dpi=130)


def _draw_widths(axes: Axes, designs: Sequence[Design]) -> None:
    layers = [row.name for row in designs[0].result.accumulators]
    group = 0.82 / len(designs)
    for index, (design, colour) in enumerate(zip(designs, _COLOURS, strict=True)):
        places = [layer + (index - (len(designs) - 1) / 2) * group for layer in range(len(layers))]
        bars = axes.bar(places, design.widths, group * 0.92, color=colour, label=design.setting.name)
        axes.bar_label(bars, fontsize=6.5, padding=1)
    units = designs[-1].result.accumulators
    short = [unit.name.removeprefix("MVAU_").removesuffix("_acc") for unit in units]
    ticks = [f"{name}\nK = {unit.k}" for name, unit in zip(short, units, strict=True)]
    axes.set_xticks(range(len(ticks)), ticks, fontsize=8)
    axes.set_ylabel("accumulator width P, bits")
    axes.set_title("Accumulators, layer by layer", fontsize=10)
    axes.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_luts(axes: Axes, designs: Sequence[Design], accuracy: Mapping[Network, float]) -> None:
    names = [f"{each.setting.name}\n{accuracy[each.setting.network]:.2f} %" for each in designs]
    left = [0] * len(designs)
    for part, label, colour in _PARTS:
        values = [getattr(design, part) for design in designs]
        axes.barh(names, values, left=left, color=colour, label=label)
        left = [start + value for start, value in zip(left, values, strict=True)]
    smallest = min(design.result.lut for design in designs)
    for place, design in enumerate(designs):
        text = f" {design.result.lut:,} ({design.result.lut / smallest:.2f} x)"
        axes.text(left[place], place, text, va="center", fontsize=8)
    axes.set_xlim(0, max(left) * 1.22)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel("LUTs, estimated, LUT-only design")
    axes.set_title("LUTs and CIFAR-10 accuracy at equal throughput", fontsize=10)
    axes.legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.45, -0.13), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
