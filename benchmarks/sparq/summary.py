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


COLUMNS = ("%", "to float", "to A8W8", "recalibrated, %")
EMPTY = ("",) * len(COLUMNS)


def rows(networks: dict[str, Any], images: int) -> Iterator[str]:
    """Yield a line per setting, columns per network; the difference to float has its standard error."""
    yield row("", *(f"{name}, {column}" for name in networks for column in COLUMNS))
    yield "|---" * (1 + len(networks) * len(COLUMNS)) + "|"
    yield row("float", *(cell for network in networks.values() for cell in (f"{network['float']:.2f}", *EMPTY[1:])))
    for key in SETTINGS:
        yield row(key, *(cell for network in networks.values() for cell in cells(key, network, images)))


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def cells(key: str, network: dict[str, Any], images: int) -> tuple[str, ...]:
    if key not in network["settings"]:
        return EMPTY
    found, plain = network["settings"][key], network["settings"]["A8W8"]["accuracy"]
    accuracy = found["accuracy"]
    error = f" ± {100 * (found['lost'] + found['gained']) ** 0.5 / images:.2f}" if "lost" in found else ""
    again = ""
    if "recalibrated" in found:
        again = f"{found['recalibrated']:.2f}" if found["recalibration_kept"] else "put back"
    return f"{accuracy:.2f}", f"{accuracy - network['float']:+.2f}{error}", f"{accuracy - plain:+.2f}", again


def main(
    results: Annotated[Path, typer.Option(help="What tables.py wrote.")] = RESULTS / "sparq" / "tables.json",
) -> None:
    """Print the table of a file of results."""
    stored = json.loads(results.read_text())
    for text in rows(stored["networks"], stored["test_images"]):
        typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
