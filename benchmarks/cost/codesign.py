"""What accumulators cost (A2Q, section 5.3, Fig. 6 and 7): the co-design settings in LUTs, synthesised and estimated.

Every network is built in each setting at the same folding and with LUTs as the only resource.  Synthesised are its
matrix-vector units, with streamed weights, so that they are arithmetic only, and its thresholdings, with a binary
search and with a comparator per threshold.  Everything else does not depend on P and is estimated: weights, window
generators, padding, pools.  Beside it, what FINN+'s formula says of the same units, thresholds inside, which is how the
paper counts.

    python benchmarks/cost/codesign.py                                   the bundled CIFAR-10 networks only
    python benchmarks/cost/codesign.py --fashion out/fashion             and those of train_fashion.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from finn_transforms.rtl.mvau_lut import MvauLut

from benchmarks.cost.finn_formula import finns_lut
from benchmarks.recording import RESULTS, record
from brevitas_ext.demo import load_images, load_model, test_accuracy, to_input
from brevitas_ext.export import export_qonnx
from finn_transforms.build import Bound, BuildOptions, BuildResult, build
from finn_transforms.cost import estimate, lut_only, synthesize_all
from finn_transforms.hw_graph import HwLayer, MvauParams, ThresholdingParams
from finn_transforms.rtl import RtlUnit
from finn_transforms.rtl.from_layer import unit_of
from finn_transforms.rtl.thresholding import Thresholding

QAT_SETTINGS: tuple[tuple[str, Bound | None], ...] = (
    ("32 bits", None),
    ("data type bound", "datatype"),
    ("weights (PTM)", "weights"),
    ("exact", "exact"),
)
SEARCHES = ("binary", "parallel")
DEPENDENT = MvauParams | ThresholdingParams


@dataclass(frozen=True, kw_only=True)
class Trained:
    """An exported network: what it is called, how it was trained, how accurate it is, how fast it is folded to be."""

    family: str
    path: Path
    accuracy: float
    target_fps: float
    bits: int
    a2q_bits: int | None = None


@dataclass(frozen=True, kw_only=True)
class Design:
    """A network in one setting."""

    trained: Trained
    setting: str
    result: BuildResult

    @property
    def units(self) -> list[tuple[HwLayer, RtlUnit]]:
        """The layers that depend on P, as units to synthesise; a thresholding comes once for each search."""
        nodes = {node.name: node for node in self.result.model.graph}
        found: list[tuple[HwLayer, RtlUnit]] = []
        for layer in self.result.graph.layers:
            if not isinstance(layer, DEPENDENT):
                continue
            unit = unit_of(layer, nodes[layer.name])
            if isinstance(unit, MvauLut):
                found.append((layer, replace(unit, weights=None, weight_source="stream")))
            elif isinstance(unit, Thresholding):
                found += [
                    (layer, replace(unit, search=search, memory="distributed" if search == "binary" else "auto"))
                    for search in SEARCHES
                ]
        return found


def designs(trained: Trained) -> Iterator[Design]:
    settings: tuple[tuple[str, Bound | None], ...] = QAT_SETTINGS
    if trained.a2q_bits is not None:
        settings = (("A2Q", "exact"),)
    for setting, bound in settings:
        # FINN's folding goes by cycles alone, and so is the same in every setting.
        options = BuildOptions(target_fps=trained.target_fps, bound=bound, folding="finn")
        yield Design(trained=trained, setting=setting, result=build(trained.path, options=options))


def measured(design: Design, jobs: int) -> dict[str, Any]:
    units = design.units
    sites = [found.lut for found in synthesize_all([unit for _, unit in units], jobs=jobs, progress=True)]
    arithmetic = sum(lut for lut, (_, unit) in zip(sites, units, strict=True) if isinstance(unit, MvauLut))
    thresholds = {
        search: sum(
            lut
            for lut, (_, unit) in zip(sites, units, strict=True)
            if isinstance(unit, Thresholding) and unit.search == search
        )
        for search in SEARCHES
    }
    layers = [lut_only(layer) for layer in design.result.graph.layers]
    estimated = {search: sum(each.lut for each in estimates(layers, search)) for search in SEARCHES}
    parts = estimates(layers, "binary")
    weights = sum(each.breakdown.weights for each in parts)
    fixed = (each for each, layer in zip(parts, layers, strict=True) if not isinstance(layer, DEPENDENT))
    other = sum(each.lut for each in fixed)
    return {
        "accuracy %": design.trained.accuracy,
        "weight and activation bits": design.trained.bits,
        "widths": [row.width for row in design.result.accumulators],
        "max cycles": design.result.folding.cycles,
        "arithmetic": arithmetic,
        "thresholds": thresholds,
        "weights": weights,
        "other": other,
        "synthesised": {search: arithmetic + thresholds[search] + weights + other for search in SEARCHES},
        "estimated": estimated,
        "breakdown": {search: summed(estimates(layers, search)) for search in SEARCHES},
        "FINN formula": finns_lut(design.result.graph),
    }


def estimates(layers: list[HwLayer], search: str) -> list[Any]:
    """Estimate the layers with a kind of thresholding: FINN's HLS variant has a comparator per threshold."""
    style = "hls" if search == "parallel" else "rtl"
    return [
        estimate(replace(layer, style=style) if isinstance(layer, ThresholdingParams) else layer) for layer in layers
    ]


def summed(parts: list[Any]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in parts:
        for name, value in asdict(each.breakdown).items():
            total[name] = total.get(name, 0) + value
    return total


def networks(folder: Path, fashion: Path | None) -> Iterator[Trained]:
    """Yield the bundled networks, exported to a folder, and those of `train_fashion`."""
    pictures = to_input(load_images()[0][:1])
    for name, bits in (("qat", None), ("a2q", 13)):
        path = export_qonnx(load_model(name), pictures, folder / f"{name}.onnx")
        yield Trained(
            family="CIFAR-10 conv net",
            path=path,
            accuracy=round(test_accuracy(name), 2),
            target_fps=1000,
            bits=4,
            a2q_bits=bits,
        )
    if fashion is None:
        return
    for name, each in json.loads((fashion / "networks.json").read_text()).items():
        yield Trained(
            family="Fashion-MNIST MLP",
            path=fashion / f"{name}.onnx",
            accuracy=each["accuracy"],
            target_fps=20_000,
            bits=each["bits"],
            a2q_bits=each["accumulator_bits"],
        )


def main(
    fashion: Annotated[Path | None, typer.Option(help="Folder that train_fashion.py has filled.")] = None,
    jobs: Annotated[int, typer.Option(help="Syntheses at a time.")] = 1,
    output: Annotated[Path, typer.Option(help="File for the results.")] = RESULTS / "codesign.json",
) -> None:
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        for trained in networks(Path(folder), fashion):
            for design in designs(trained):
                setting = design.setting if trained.a2q_bits is None else f"A2Q, P = {trained.a2q_bits}"
                rows.append({"family": trained.family, "setting": setting, **measured(design, jobs)})
                print(rows[-1], flush=True)
    Console(width=150).print(table_of(rows))
    record(output, {"designs": rows})


def table_of(rows: list[dict[str, Any]]) -> Table:
    columns = ("M = N", "accuracy %", "widths", "binary", "parallel", "binary, estimated", "FINN formula")
    table = Table("network", "setting", *columns)
    for row in rows:
        values = (
            row["weight and activation bits"],
            row["accuracy %"],
            "/".join(map(str, row["widths"])),
            *(row["synthesised"][search] for search in SEARCHES),
            row["estimated"]["binary"],
            row["FINN formula"],
        )
        table.add_row(row["family"], row["setting"], *map(str, values))
    return table


if __name__ == "__main__":
    typer.run(main)
