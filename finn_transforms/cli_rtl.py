"""``bfx rtl`` and ``bfx sim``: the SystemVerilog of a whole build, and its simulation on data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import onnx_ir as ir
    from numpy.typing import NDArray

    from finn_transforms.network import Comparison, Stitched

    Array = NDArray[Any]

_BAD_INPUT = 2
_DIFFERENT = 1

Build = Annotated[Path, typer.Argument(help="Folder that bfx build wrote, or its hw_graph.onnx.")]


def rtl_command(
    output: Build,
    *,
    to: Annotated[Path | None, typer.Option(help="Folder for the files; OUTPUT/rtl by default.")] = None,
    top: Annotated[str, typer.Option(help="Name of the top module.")] = "bfx_network",
) -> None:
    """Write the hardware layers in OUTPUT as SystemVerilog: one top module, FIFOs that cannot deadlock, a manifest.

    Nothing is written unless everything succeeds.

    Exit code 2: a layer has no unit, or a file cannot be used.
    """
    from finn_transforms.network.files import manifest
    from finn_transforms.report import publish, write_json

    _, stitched = _stitched(output, top)
    folder = to or (output if output.is_dir() else output.parent) / "rtl"
    document = manifest(stitched)
    try:
        with publish(folder) as staging:
            for name, text in stitched.network.sources().items():
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                (staging / name).write_text(text, encoding="utf-8")
            write_json(staging / "manifest.json", document)
    except OSError as error:
        _fail(str(error))
    fifos = [unit for unit in document["units"] if "depth" in unit]
    cycles = document["cycles"]
    Console(soft_wrap=True).print(
        f"{len(stitched.layers)} layers, {len(fifos)} FIFOs for {sum(unit['depth'] for unit in fifos)} beats; "
        f"{cycles['interval']} cycles per frame, first output after about {cycles['first_output']}\n"
        f"Written: {folder}/{top}.sv and {len(document['files']) - 1} more files, manifest.json",
        highlight=False,
        markup=False,
    )


def sim_command(
    output: Build,
    *,
    data: Annotated[Path, typer.Option("--data", "-d", help="Samples: .npy, or .npz by input name.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Samples to take at most.")] = None,
    stalls: Annotated[bool, typer.Option(help="Random gaps and back-pressure instead of full speed.")] = False,
) -> None:
    """Simulate the hardware layers in OUTPUT with Verilator on data, and compare every output with the emulator.

    The host's layers in front of the hardware are emulated: the hardware gets their integers.

    Exit code 1: an output differs or the hardware stops; says in which layer.

    Exit code 2: a file, the data or a layer cannot be used.
    """
    from finn_transforms.emulate import AccumulatorOverflowError
    from finn_transforms.loading import InputError
    from finn_transforms.network import NetworkError, compare
    from finn_transforms.ops import UnsupportedOperatorError
    from finn_transforms.sim import SimulationError, Stalls
    from finn_transforms.verify import read_data

    model, stitched = _stitched(output, "bfx_network")
    try:
        samples = read_data(data, limit)
        result = compare(model, stitched, _by_name(model, samples), stalls=Stalls() if stalls else None)
    except SimulationError as error:
        _fail(str(error), _DIFFERENT)
    except (
        InputError,
        NetworkError,
        UnsupportedOperatorError,
        AccumulatorOverflowError,
        KeyError,
        ValueError,
    ) as error:
        _fail(str(error))
    _show(result, stalled=stalls)
    if not result.equal:
        raise typer.Exit(_DIFFERENT)


def _stitched(output: Path, top: str) -> tuple[ir.Model, Stitched]:
    from finn_transforms.finn_compat import FinnMissingError
    from finn_transforms.hw_graph import HwGraphError
    from finn_transforms.loading import InputError, load_model
    from finn_transforms.network import NetworkError, stitch

    try:
        model = load_model(output / "hw_graph.onnx" if output.is_dir() else output)
        stitched = stitch(model, top)
        stitched.network.sources()
    except (InputError, NetworkError, HwGraphError, FinnMissingError) as error:
        _fail(str(error))
    return model, stitched


def _by_name(model: ir.Model, samples: Array | dict[str, Array]) -> dict[str, Array]:
    """Return samples by the name of their input; a single array is for the only one."""
    from finn_transforms.loading import InputError

    if isinstance(samples, dict):
        return samples
    names = [value.name or "" for value in model.graph.inputs if value.const_value is None]
    if len(names) != 1:
        raise InputError(f"expected .npz with arrays for {', '.join(names)}, found one array")
    return {names[0]: samples}


def _show(result: Comparison, *, stalled: bool) -> None:
    table = Table(title="Clock cycles", title_justify="left")
    for column in ("", "simulated", "estimated"):
        table.add_column(column, justify="right" if column else "left")
    interval = "" if result.interval is None else f"{result.interval:,}"
    table.add_row("per frame" + (" (with stalls)" if stalled else ""), interval, f"{result.estimated_interval:,}")
    table.add_row("to the first output", f"{result.latency:,}", f"{result.estimated_latency:,}")
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(Text(f"Slowest: {result.slowest}"))
    for difference in result.differences:
        console.print(Text(str(difference), style="bold red"))
    if result.first_layer is not None:
        console.print(Text(f"First in the hardware: {result.first_layer}", style="bold red"))
    elif result.differences:
        console.print(Text("Every unit does what its golden function says: that differs from the emulator", "bold red"))
    verdict = "all equal to the emulator" if result.equal else "NOT equal to the emulator"
    console.print(Text(f"{result.frames} frames, {result.integers} integers: {verdict}"))


def _fail(message: str, code: int = _BAD_INPUT) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(Text(f"Error: {message}", style="bold red"))
    raise typer.Exit(code)
