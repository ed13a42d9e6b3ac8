"""``bfx synth``: synthesises the layers of a build."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

_BAD_INPUT = 2
_INCOMPLETE = 1


class FamilyChoice(StrEnum):
    """Families of devices."""

    SERIES_7 = "xc7"
    ULTRASCALE_PLUS = "xcup"


class ToolChoice(StrEnum):
    """What synthesises."""

    YOSYS = "yosys"
    VIVADO = "vivado"


def synth_command(
    output: Annotated[Path, typer.Argument(help="Folder that bfx build wrote.")],
    *,
    family: Annotated[FamilyChoice | None, typer.Option(help="Family, if not that of the build's part.")] = None,
    tool: Annotated[ToolChoice, typer.Option(help="Synthesiser; Vivado has to be on the PATH.")] = ToolChoice.YOSYS,
    jobs: Annotated[int | None, typer.Option(min=1, help="Layers at a time; one per core by default.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of stored results; $BFX_CACHE or the user's cache by default.")
    ] = None,
) -> None:
    """Synthesise every layer in OUTPUT out of context, and put what was measured beside what was estimated.

    Writes report/synthesis.json.  Results are stored as they come: a run that was stopped takes up where it was.

    Exit code 1: a layer has no unit, or could not be synthesised; the others are written all the same.

    Exit code 2: the folder cannot be used, or the tool is missing.
    """
    from finn_transforms.cost import Vivado, Yosys, synthesis_results
    from finn_transforms.loading import InputError
    from finn_transforms.report.synthesis import (
        family_of_build,
        read_layers,
        synthesis_document,
        synthesis_table,
        synthesised,
    )
    from finn_transforms.report.writing import write_json

    try:
        chosen = family.value if family is not None else family_of_build(output)
        layers = read_layers(output)
        program = Vivado(family=chosen) if tool is ToolChoice.VIVADO else Yosys(family=chosen)
        with_unit = [(at, layer.unit) for at, layer in enumerate(layers) if not isinstance(layer.unit, str)]
        units = [unit for _, unit in with_unit]
        found = dict(synthesis_results(units, program, jobs=jobs, cache=cache, progress=True))
    except (InputError, ImportError, OSError) as error:
        _refuse(str(error), error)
    rows = synthesised(layers, {with_unit[number][0]: result for number, result in found.items()})
    console = Console()
    console.print(synthesis_table(rows, chosen))
    report = output / "report" / "synthesis.json"
    try:
        write_json(report, synthesis_document(rows, chosen))
    except OSError as error:
        _refuse(f"{report}: expected to write it, found {error.strerror}; make room, results are stored", error)
    missing = [row for row in rows if row.measured is None]
    for row in missing:
        console.print(Text(f"{row.name}: {row.reason}"), soft_wrap=True, highlight=False)
    if missing:
        raise typer.Exit(_INCOMPLETE)


def _refuse(message: str, error: Exception) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(Text(f"Error: {message}", style="bold red"))
    raise typer.Exit(_BAD_INPUT) from error
