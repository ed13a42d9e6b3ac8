"""The measured accuracy tables as Markdown: degradations in points, as the README has them.

python -m benchmarks.sparq.summary
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.recording import RESULTS
from benchmarks.sparq.settings import SETTINGS

TABLES = RESULTS / "sparq" / "tables.json"


def rows(networks: dict[str, Any], images: int) -> Iterator[str]:
    """Yield a line per network and setting; the difference to float has its standard error."""
    yield "| network | setting | accuracy | against float | against A8W8 | with batch norm recalibrated |"
    yield "|---|---|---|---|---|---|"
    for name, network in networks.items():
        yield f"| {name} | float | {network['float']:.2f} | | | |"
        for key in SETTINGS:
            if key in network["settings"]:
                yield line(name, key, network, images)


def line(name: str, key: str, network: dict[str, Any], images: int) -> str:
    found, plain = network["settings"][key], network["settings"]["A8W8"]["accuracy"]
    error = f" ± {100 * (found['lost'] + found['gained']) ** 0.5 / images:.2f}" if "lost" in found else ""
    again = "not measured"
    if "recalibrated" in found:
        again = f"{found['recalibrated']:.2f}" if found["recalibration_kept"] else "put back"
    figures = (f"{found['accuracy']:.2f}", f"{found['accuracy'] - network['float']:+.2f}{error}")
    return f"| {name} | {key} | {' | '.join(figures)} | {found['accuracy'] - plain:+.2f} | {again} |"


def main(
    results: Annotated[Path, typer.Option(help="What tables.py wrote.")] = RESULTS / "sparq" / "tables.json",
) -> None:
    """Print the table of a file of results."""
    stored = json.loads(results.read_text())
    for row in rows(stored["networks"], stored["test_images"]):
        typer.echo(row)


if __name__ == "__main__":
    typer.run(main)
