"""Draw the time of ShiftMM over that of plain int8, from the results of shift_mm_speed.py: docs/shift_mm_speed.png.

python -m benchmarks.shiftquant.draw_shift_mm [--results FILE --image FILE]
"""

import argparse
import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.recording import RESULTS

# What is measured, how it is called, colour and mark.
WAYS: tuple[tuple[str, str, str, str], ...] = (
    ("fp32", "fp32", "#7f7f7f", "v"),
    ("grouped 6", "a product per group (Fig. 3b)", "#c44e52", "X"),
    ("bf16", "bf16", "#000000", "^"),
    ("packed 8", "ShiftMM, 8 bits", "#64b5cd", "s"),
    ("packed 6", "ShiftMM, 6 bits", "#4c72b0", "o"),
    ("prepared 6", "ShiftMM, 6 bits, activations shifted by their quantizer", "#4c72b0", "."),
    ("packed 4", "ShiftMM, 4 bits", "#2ca02c", "D"),
)
GOAL = 1.1


def draw(axes: Axes, title: str, rows: dict[str, Any]) -> None:
    places = range(len(rows))
    axes.axhspan(1.0, GOAL, color="#2ca02c", alpha=0.15, label="within 10 % of plain int8")
    axes.axhline(1.0, color="#2ca02c", linewidth=1)
    for way, name, colour, mark in WAYS:
        ratios = [row["time_over_int8"].get(way, float("nan")) for row in rows.values()]
        axes.plot(places, ratios, mark, color=colour, label=name, markersize=6, linestyle=":", linewidth=0.8)
    labels = [f"{name}\n{' x '.join(str(each) for each in row['size'])}" for name, row in rows.items()]
    axes.set_xticks(places, labels, rotation=55, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yscale("log")
    ticks = (1, 2, 5, 10, 20)
    axes.set_yticks(ticks, [f"{tick} x" for tick in ticks])
    axes.minorticks_off()
    axes.grid(axis="y", linewidth=0.4)
    axes.set_title(f"{title}; sizes M x K x N", fontsize=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS / "shiftquant" / "shift_mm_speed_cpu.json")
    parser.add_argument("--image", type=Path, default=RESULTS.parent.parent / "docs" / "shift_mm_speed.png")
    options = parser.parse_args()
    document = json.loads(options.results.read_text())
    figures = document["figures"]
    figure = Figure(figsize=(9.5 if len(figures) == 1 else 6.5 * len(figures), 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(figures), sharey=True, squeeze=False)[0]
    for axes, (title, rows) in zip(panels, figures.items(), strict=True):
        draw(axes, title, rows)
    panels[0].set_ylabel("time over that of plain int8 (torch._int_mm)")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    figure.suptitle(
        f"ShiftMM, four groups, weights packed once: {document['processor']}, torch {document['versions']['torch']}",
        fontsize=11,
    )
    figure.savefig(options.image, dpi=120)


if __name__ == "__main__":
    main()
