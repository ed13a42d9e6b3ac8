"""``bfx certify``: replays the certificates of a build."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

_BAD_INPUT = 2
_BROKEN = 1


def certify_command(
    output: Annotated[Path, typer.Argument(help="Folder that bfx build wrote, or a graph of hardware layers.")],
    certificates: Annotated[
        Path | None, typer.Option(help="Certificates, if not report/certificates.json in or beside OUTPUT.")
    ] = None,
) -> None:
    """Replay the certificates in OUTPUT: no accumulator overflows, and none that is said to be minimal can be narrower.

    Shares no code with what wrote them.  Also proves the accumulator contract of training again.

    Exit code 1: something does not hold; the table says what, with layer, channel and value.

    Exit code 2: a file cannot be used.
    """
    from finn_transforms.certify import CertificateError, certify

    try:
        verdicts = certify(output, certificates)
    except CertificateError as error:
        Console(stderr=True, soft_wrap=True).print(Text(f"Error: {error}", style="bold red"))
        raise typer.Exit(_BAD_INPUT) from error
    table = Table(title="Certificates", title_justify="left")
    for column in ("Layer", "", "Accumulator", "Holds", "Minimal"):
        table.add_column(column, overflow="fold")
    table.add_column("Shown", overflow="fold", ratio=1)
    for each in verdicts:
        marks = ("yes" if each.ok else "NO", "" if each.kind == "contract" else "yes" if each.minimal else "no")
        cells = (each.name, each.kind, each.data_type, *marks, each.detail)
        table.add_row(*map(Text, cells), style=None if each.ok else "bold red")
    console = Console()
    console.print(table)
    broken = sum(not each.ok for each in verdicts)
    minimal = sum(each.minimal for each in verdicts)
    console.print(
        f"{len(verdicts) - broken} of {len(verdicts)} hold; {minimal} accumulators are minimal.", highlight=False
    )
    if broken:
        raise typer.Exit(_BROKEN)
