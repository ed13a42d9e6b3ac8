"""The measured training tables and times as Markdown, as the README has them.

python -m benchmarks.shiftquant.summary
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import sqrt
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

from benchmarks.recording import RESULTS
from benchmarks.shiftquant.settings import FLOAT

FOLDER = RESULTS / "shiftquant"

TABLES: dict[str, tuple[str, ...]] = {
    "Table 2: float, per-tensor INT8, ShiftQuant": (FLOAT, "INT8 per tensor, L2", "INT4 ShiftQuant, L1"),
    "Table 6: number of groups": (
        "INT4, 1 group, L1",
        "INT4, 2 groups, L1",
        "INT4, 3 groups, L1",
        "INT4 ShiftQuant, L1",
        "INT4, 6 groups, L1",
    ),
    "Table 7: normalization": ("INT4 ShiftQuant, L1", "INT4 ShiftQuant, L2", "INT4 ShiftQuant, float norm"),
    "Beside the paper: the same bits with one scale per tensor": (
        "INT4 ShiftQuant, L1",
        "INT4 per tensor, L1",
        "INT4 per tensor, L2",
    ),
}
"""Which rows each table has."""


def line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def training(stored: Mapping[str, Any]) -> Iterator[str]:
    """Yield every table of a file of `tables.py`."""
    yield f"\n## {stored['network']} on {stored['data']} from {stored['start']}, " + ", ".join(
        f"{name} {stored[name]}" for name in ("steps", "batch", "rate", "first_last_bits", "norm_bits")
    )
    for title, names in TABLES.items():
        found = {name: stored["rows"][name] for name in names if name in stored["rows"]}
        if len(found) < 2:
            continue
        yield f"\n{title}\n"
        yield line("", "seeds", "accuracy, %", "to float, points", "gap of 1/sigma, %")
        yield line(*["---"] * 5)
        for name, seeds in found.items():
            yield line(name, len(seeds), *cells(seeds, stored["rows"].get(FLOAT, {}), name == FLOAT))


def cells(seeds: Mapping[str, Any], floats: Mapping[str, Any], is_float: bool) -> tuple[str, str, str]:
    """Return accuracy, its difference to float of the same seeds with its standard error, and the gap.

    The standard error is that of the test images: of the difference of two networks that are both right on most of
    them, averaged over the seeds; it does not tell how far other seeds are apart.
    """
    accuracy = f"{mean(row['accuracy'] for row in seeds.values()):.2f}"
    gap = [100 * row["relative_gap"] for row in seeds.values() if "relative_gap" in row]
    told = f"{mean(gap):.1f}" if gap else ""
    shared = [seed for seed in seeds if seed in floats and "lost" in seeds[seed]]
    if is_float or not shared:
        return accuracy, "", told
    apart = mean(seeds[seed]["accuracy"] - floats[seed]["accuracy"] for seed in shared)
    errors = [100 * sqrt(seeds[seed]["lost"] + seeds[seed]["gained"]) / seeds[seed]["test_images"] for seed in shared]
    return accuracy, f"{apart:+.2f} ± {mean(errors):.2f}", told


def conversion(stored: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of `conversion.py`."""
    yield f"\nAccuracy after the conversion of batch normalization alone, {stored['test_images']} images, %\n"
    yield line("", *stored["rows"]["torch"])
    yield line(*["---"] * (1 + len(stored["rows"]["torch"])))
    for name, found in stored["rows"].items():
        yield line(name, *(f"{value:.2f}" for value in found.values()))


def transformer(stored: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of `vit.py`."""
    yield f"\nSmall ViT on {stored['data']}, {stored['pretrained']:.2f} % before {stored['steps']} more steps\n"
    yield line("", "seeds", "accuracy, %", "to float, points", "quantized, not trained on, %")
    yield line(*["---"] * 5)
    reference = stored["rows"][FLOAT]
    for name, seeds in stored["rows"].items():
        shared = [seed for seed in seeds if seed in reference]
        apart = mean(seeds[seed]["accuracy"] - reference[seed]["accuracy"] for seed in shared)
        values = [f"{mean(row[key] for row in seeds.values()):.2f}" for key in ("accuracy", "before")]
        yield line(name, len(seeds), values[0], "" if name == FLOAT else f"{apart:+.2f}", values[1])


def parts(stored: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of `parts.py`."""
    names = ("quantization", "products", "normalization", "rest", "step")
    yield f"\nSeconds of a step, ResNet-20, batches of {stored['batch']}, one thread (Fig. 9)\n"
    yield line("", *names)
    yield line(*["---"] * (1 + len(names)))
    for name, seconds in stored["seconds of the process"].items():
        yield line(name, *(f"{seconds[part]:.3f}" if part in seconds else "" for part in names))


def normalization(stored: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of `norm_speed.py`."""
    first, *_ = stored["figures"].values()
    ratios = [name for name in first if name != "ms"]
    yield "\nTime of batch normalization in training, ms, one thread (Fig. 8)\n"
    yield line("", *first["ms"], *ratios)
    yield line(*["---"] * (1 + len(first["ms"]) + len(ratios)))
    for name, found in stored["figures"].items():
        yield line(name, *found["ms"].values(), *(found[ratio] for ratio in ratios))


def main(folder: Annotated[Path, typer.Option(help="Where the JSON files are.")] = FOLDER) -> None:
    """Print what there is."""
    tables = {path.stem: training for path in sorted(folder.glob("tables_*.json"))}
    others = {"conversion": conversion, "vit": transformer, "parts": parts, "norm_speed": normalization}
    for name, table in {**tables, **others}.items():
        path = folder / f"{name}.json"
        for text in table(json.loads(path.read_text())) if path.exists() else ():
            typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
