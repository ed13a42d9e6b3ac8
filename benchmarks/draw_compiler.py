"""Draws compile times and accumulator widths, as measured, into docs/compiler.png.

python benchmarks/compile_speed.py && python benchmarks/accumulator_widths.py && python benchmarks/draw_compiler.py
"""

import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
TARGET = Path(__file__).parent.parent / "docs" / "compiler.png"
FINN, OURS, FINER = "#7f7f7f", "#2ca02c", "#98df8a"


def main() -> None:
    speed = json.loads((RESULTS / "compile_speed.json").read_text())["networks"]
    widths = json.loads((RESULTS / "accumulator_widths.json").read_text())["networks"]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    draw_times(left, speed)
    draw_widths(right, widths)
    figure.savefig(TARGET, dpi=130)
    print(TARGET)


def draw_times(axes: Axes, networks: dict[str, Any]) -> None:
    names = list(networks)
    for offset, side, label, colour in ((-0.2, "finn", "FINN+ 1.6.1", FINN), (0.2, "ours", "here", OURS)):
        seconds = [networks[name][side]["seconds"] for name in names]
        bars = axes.bar([index + offset for index in range(len(names))], seconds, 0.38, label=label, color=colour)
        axes.bar_label(bars, [f"{value:.3g}" for value in seconds], fontsize=7, padding=1)
    axes.set_yscale("log")
    axes.set_ylabel("seconds")
    finish(axes, names, "From QONNX to hardware layers with minimal widths")


def draw_widths(axes: Axes, networks: dict[str, Any]) -> None:
    names = [name for name in networks if networks[name]["finn"] is not None]
    kinds = (
        ("finn", "FINN+ 1.6.1", FINN),
        ("per_layer", "here, per layer", OURS),
        ("per_channel", "per channel", FINER),
    )
    for offset, (kind, label, colour) in zip((-0.27, 0, 0.27), kinds, strict=True):
        bits = [networks[name][kind] for name in names]
        bars = axes.bar([index + offset for index in range(len(names))], bits, 0.25, label=label, color=colour)
        axes.bar_label(bars, [f"{value:.1f}" for value in bits], fontsize=5.5, padding=1)
        if kind == "finn":
            for bar, name in zip(bars, names, strict=True):
                bar.set_hatch("////" if networks[name]["overflowing_in_finn"] else "")
    axes.set_ylabel("accumulator bits, mean over channels")
    finish(axes, names, "Accumulator widths (hatched: some overflow)")


def finish(axes: Axes, names: list[str], title: str) -> None:
    axes.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names], fontsize=8)
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
