"""What accumulators cost (A2Q, section 5.3, Fig. 6 and 7): the co-design settings in LUTs, synthesised and estimated.

Every network is built in each setting at the same folding and with LUTs as the only resource.  Synthesised are its
matrix-vector units, with streamed weights, so that they are arithmetic only, and its thresholdings, with a binary
search and with a comparator per threshold.  Everything else does not depend on P and is estimated: window generators,
padding, pools, and the memories of the weights as they are.  Beside it, what FINN+'s formula says of the same units,
thresholds inside, which is how the paper counts.  Estimates and formula also at higher throughputs, where more outputs
per cycle have accumulators.

    python benchmarks/cost/codesign.py                                   the bundled CIFAR-10 networks only
    python benchmarks/cost/codesign.py --fashion out/fashion             and those of train_fashion.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.cost.finn_formula import finns_lut
from benchmarks.recording import RESULTS, record
from brevitas_ext.demo import load_images, load_model, test_accuracy, to_input
from brevitas_ext.export import export_qonnx
from finn_transforms.build import Bound, BuildOptions, BuildResult, build
from finn_transforms.cost import Breakdown, Estimate, estimate, lut_only, synthesize_all
from finn_transforms.hw_graph import MvauParams, ThresholdingParams
from finn_transforms.rtl import RtlUnit
from finn_transforms.rtl.from_layer import unit_of
from finn_transforms.rtl.mvau_lut import MvauLut
from finn_transforms.rtl.thresholding import Thresholding

QAT_SETTINGS: tuple[tuple[str, Bound | None], ...] = (
    ("32 bits", None),
    ("data type bound", "datatype"),
    ("weights (PTM)", "weights"),
    ("exact", "exact"),
)
SEARCHES = ("binary", "parallel")
THROUGHPUTS = (1_000, 5_000, 20_000, 100_000)
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

    def units(self) -> tuple[list[MvauLut], list[Thresholding]]:
        """Return the layers that depend on P, nothing in block RAM; a thresholding searches in any way."""
        nodes = {node.name: node for node in self.result.model.graph}
        units = [
            unit_of(layer, nodes[layer.name]) for layer in self.result.graph.layers if isinstance(layer, DEPENDENT)
        ]
        return (
            [replace(unit, ram_style="distributed") for unit in units if isinstance(unit, MvauLut)],
            [replace(unit, memory="distributed") for unit in units if isinstance(unit, Thresholding)],
        )


def designs(trained: Trained) -> Iterator[Design]:
    settings: tuple[tuple[str, Bound | None], ...] = QAT_SETTINGS
    if trained.a2q_bits is not None:
        settings = ((f"A2Q, P = {trained.a2q_bits}", "exact"),)
    for setting, bound in settings:
        # FINN's folding goes by cycles alone, and so is the same in every setting.
        options = BuildOptions(target_fps=trained.target_fps, bound=bound, folding="finn")
        yield Design(trained=trained, setting=setting, result=build(trained.path, options=options))


def estimated(design: Design) -> dict[str, Any]:
    """Return what the estimate says of a design, and FINN's formula."""
    products, thresholdings = design.units()
    layers = [lut_only(layer) for layer in design.result.graph.layers]
    parts = breakdown([estimate(unit) for unit in products])
    thresholds = {
        search: breakdown([estimate(replace(unit, search=search)) for unit in thresholdings]) for search in SEARCHES
    }
    other = sum(estimate(layer).lut for layer in layers if not isinstance(layer, DEPENDENT))
    total = sum(parts.values()) + other
    return {
        "network": design.trained.family,
        "setting": design.setting,
        "accuracy %": design.trained.accuracy,
        "weight and activation bits": design.trained.bits,
        "widths": [int(unit.accumulator_type.bitwidth()) for unit in products],
        "PE": [unit.pe for unit in products],
        "max cycles": design.result.folding.cycles,
        "weights": parts["weights"],
        "other": other,
        "estimated": {search: total + sum(thresholds[search].values()) for search in SEARCHES},
        "estimated parts": {"products": parts, **thresholds},
        "FINN formula": finns_lut(design.result.graph),
    }


def synthesised(design: Design, row: dict[str, Any], jobs: int) -> dict[str, Any]:
    """Return the LUTs of the synthesised units of a design, and its sums with what is estimated only."""
    products, thresholdings = design.units()
    by_search = {search: [replace(unit, search=search) for unit in thresholdings] for search in SEARCHES}
    arithmetic = [replace(unit, weights=None, weight_source="stream") for unit in products]
    every: list[RtlUnit] = [*arithmetic, *(unit for units in by_search.values() for unit in units)]
    synthesize_all(every, jobs=jobs, progress=True)
    thresholds = {search: sites(units) for search, units in by_search.items()}
    rest = sites(arithmetic) + row["weights"] + row["other"]
    return {
        "arithmetic": sites(arithmetic),
        "thresholds": thresholds,
        "synthesised": {search: rest + thresholds[search] for search in SEARCHES},
    }


def sites(units: Sequence[RtlUnit]) -> int:
    """Return the LUTs of units that have been synthesised."""
    return sum(found.lut for found in synthesize_all(units, jobs=1))


def breakdown(estimates: Sequence[Estimate]) -> dict[str, int]:
    """Return LUTs by purpose."""
    return asdict(sum((each.breakdown for each in estimates), start=Breakdown()))


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
    every: list[dict[str, Any]] = []
    faster: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        for trained in networks(Path(folder), fashion):
            faster += [estimated(design) for fps in THROUGHPUTS for design in designs(replace(trained, target_fps=fps))]
            for design in designs(trained):
                row = estimated(design)
                every.append(row)
                rows.append({**row, **synthesised(design, row, jobs)})
                print(rows[-1], flush=True)
    Console(width=150).print(table_of(rows))
    record(output, {"designs": rows, "estimated": every, "by throughput, estimated": faster})


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
        table.add_row(row["network"], row["setting"], *map(str, values))
    return table


if __name__ == "__main__":
    typer.run(main)
