"""Draw what accumulators cost, from the results of codesign.py: docs/accumulator_cost.png.

python benchmarks/cost/draw_codesign.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.recording import RESULTS

Row = dict[str, Any]

IMAGE = RESULTS.parent.parent / "docs" / "accumulator_cost.png"
COLOURS = {"32 bits": "#7f7f7f", "data type bound": "#1f77b4", "weights (PTM)": "#e0a800", "exact": "#8c564b"}
A2Q_COLOUR = "#2ca02c"
PARTS = (
    ("arithmetic", "products, adder trees, accumulators (synthesised)", "#4c72b0"),
    ("thresholds", "thresholds: comparisons and memory (synthesised)", "#c44e52"),
    ("weights", "weight memory (estimated)", "#dd8452"),
    ("other", "windows, padding, pools (estimated)", "#c7c7c7"),
)
# What is counted, how it is called, how it is drawn.
ACCOUNTS: tuple[tuple[str, str, str], ...] = (
    ("formula", "FINN+'s formula, thresholds inside", "#7f7f7f"),
    ("parallel", "ours, a comparator per threshold", "#c44e52"),
    ("binary", "ours, binary search", "#4c72b0"),
    ("binary, no weights", "ours, binary search, without weight memory", "#64b5cd"),
)
CLOCK_HZ = 200e6


def main(
    results: Annotated[Path, typer.Option(help="Results of codesign.py.")] = RESULTS / "codesign.json",
    image: Annotated[Path, typer.Option(help="Picture to write.")] = IMAGE,
) -> None:
    document = json.loads(results.read_text())
    rows: list[Row] = document["designs"]
    networks = list(dict.fromkeys(row["network"] for row in rows))
    figure = Figure(figsize=(15, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    frontier, parts, shares = figure.subplots(1, 3, width_ratios=(1, 1.25, 1))
    draw_frontier(frontier, [row for row in document["estimated"] if row["network"] == networks[-1]])
    draw_parts(parts, rows)
    draw_savings(shares, [row for row in document["by throughput, estimated"] if row["network"] == networks[0]])
    figure.savefig(image, dpi=130)


def colour_of(setting: str) -> str:
    return COLOURS.get(setting, A2Q_COLOUR)


def draw_frontier(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw accuracy over LUTs, as Fig. 6 of A2Q does; a colour for each setting."""
    for setting in dict.fromkeys(row["setting"].partition(",")[0] for row in rows):
        points = [row for row in rows if row["setting"].partition(",")[0] == setting]
        xs = [row["estimated"]["binary"] for row in points]
        axes.scatter(xs, [row["accuracy %"] for row in points], s=42, color=colour_of(setting), label=setting)
        for row, x in zip(points, xs, strict=True):
            if setting not in ("32 bits", "A2Q"):
                continue
            _, _, width = row["setting"].partition(", ")
            text = f"  M = N = {row['weight and activation bits']}" + (f", {width}" if width else "")
            axes.annotate(text, (x, row["accuracy %"]), fontsize=6.5, va="center")
    axes.set_xlabel("LUTs, estimated, binary search")
    axes.set_ylabel("top-1 accuracy, %")
    axes.set_title(f"{rows[0]['network']}: accuracy and LUTs (Fig. 6)", fontsize=10)
    axes.legend(fontsize=8, loc="lower right")
    axes.margins(x=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def draw_parts(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw where the LUTs go, as Fig. 7 does, with a binary search; beyond the bar, what parallel comparators add."""
    names = [f"{row['network'].split()[0]} {row['weight and activation bits']} bits: {row['setting']}" for row in rows]
    left = [0] * len(rows)
    for part, label, colour in PARTS:
        values = [row[part]["binary"] if part == "thresholds" else row[part] for row in rows]
        axes.barh(names, values, left=left, color=colour, label=label)
        left = [start + value for start, value in zip(left, values, strict=True)]
    more = [max(0, row["thresholds"]["parallel"] - row["thresholds"]["binary"]) for row in rows]
    label = "more with a comparator per threshold"
    axes.barh(names, more, left=left, color="white", edgecolor="#c44e52", hatch="///", linewidth=0.5, label=label)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=6.5)
    axes.set_xlabel("LUTs")
    axes.set_title("Compute and memory (Fig. 7)", fontsize=10)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.45, -0.1), ncols=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def draw_savings(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw how many times more LUTs 32-bit accumulators take, over throughput, by each way of counting."""
    base = {row["max cycles"]: row for row in rows if row["setting"] == "32 bits"}
    speeds = sorted(base)
    for account, label, colour in ACCOUNTS:
        for start, style in (("A2Q", "-"), ("weights", "--")):
            chosen = {row["max cycles"]: row for row in rows if row["setting"].startswith(start)}
            ratios = [amount(base[speed], account) / amount(chosen[speed], account) for speed in speeds]
            fps = [CLOCK_HZ / speed for speed in speeds]
            axes.semilogx(
                fps, ratios, style, marker="o", markersize=3.5, color=colour, label=label if style == "-" else None
            )
    axes.axhline(1, color="black", linewidth=0.6)
    axes.axhline(2.3, color="#7f7f7f", linewidth=0.8, linestyle=":")
    axes.text(CLOCK_HZ / speeds[-1], 2.25, "A2Q's paper: up to 2.3", fontsize=7, va="top")
    axes.set_xlabel("frames/s at 200 MHz")
    axes.set_ylabel("LUTs with 32-bit accumulators / LUTs, estimated")
    axes.set_title(f"{rows[0]['network']}: what is saved\n(solid: A2Q, P = 13; dashed: PTM)", fontsize=10)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.45, -0.12), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def amount(row: Row, account: str) -> int:
    if account == "formula":
        return int(row["FINN formula"])
    search = account.partition(",")[0]
    return int(row["estimated"][search]) - (row["weights"] if account.endswith("weights") else 0)


if __name__ == "__main__":
    typer.run(main)
