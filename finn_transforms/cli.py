"""The command line, ``bfx``."""

from __future__ import annotations

from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from finn_transforms.cli_certify import certify_command
from finn_transforms.cli_rtl import rtl_command, sim_command
from finn_transforms.cli_summary import list_refusals, plain, summarize
from finn_transforms.cli_synth import synth_command

_BAD_INPUT = 2
_BROKEN_PROMISE = 1

app = typer.Typer(
    name="bfx",
    help="From a QONNX model to FINN's hardware layers, with accumulators that are proven to be wide enough.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class BoundChoice(StrEnum):
    """How accumulators are sized."""

    EXACT = "exact"
    WEIGHTS = "weights"
    DATATYPE = "datatype"


class OverflowChoice(StrEnum):
    """Which sums accumulators hold."""

    ANY_ORDER = "any_order"
    WRAP = "wrap"


class ComputeChoice(StrEnum):
    """What products are built from."""

    LUT = "lut"
    DSP = "dsp"


class FoldingChoice(StrEnum):
    """How PE and SIMD are chosen."""

    COST = "cost"
    FINN = "finn"


def main() -> None:
    """Run the command line."""
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bfx {version('brevitas-finn-ext')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""


@app.command("build")
def build_command(
    model: Annotated[Path, typer.Argument(help="Exported QONNX model, e.g. of brevitas_ext.export.export_qonnx.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for hw_graph.onnx and report/*.json.", show_default=True)
    ] = Path("out"),
    *,
    part: Annotated[str, typer.Option(help="FPGA part.")] = "xczu7ev-ffvc1156-2-e",
    target_fps: Annotated[
        float | None,
        typer.Option(help="Frames per second to fold for, with the fewest LUTs.  Without it, PE = SIMD = 1."),
    ] = None,
    max_luts: Annotated[
        int | None,
        typer.Option(help="LUTs, width converters included, to find the highest throughput for."),
    ] = None,
    folding: Annotated[
        FoldingChoice,
        typer.Option(help="Fold for --target-fps by 'cost', proven to take the fewest LUTs, or as FINN's SetFolding."),
    ] = FoldingChoice.COST,
    clock_ns: Annotated[float, typer.Option(help="Clock period in nanoseconds; 5 is 200 MHz.")] = 5.0,
    bound: Annotated[
        BoundChoice,
        typer.Option(
            help="Accumulator width: 'exact' from weights and input range, 'weights' from the l1 norm (A2Q Eq. 12), "
            "'datatype' from K and the data types (A2Q Eq. 8)."
        ),
    ] = BoundChoice.EXACT,
    overflow: Annotated[
        OverflowChoice,
        typer.Option(
            help="Accumulators hold every partial sum in any order ('any_order'), or only the final sum, which is "
            "enough for those that wrap around ('wrap')."
        ),
    ] = OverflowChoice.ANY_ORDER,
    compute: Annotated[
        ComputeChoice,
        typer.Option(help="Build products in LUTs (then everything is), or in DSP slices where they fit."),
    ] = ComputeChoice.LUT,
    shift_units: Annotated[
        bool,
        typer.Option(
            help="Shift products where input channels differ by powers of two, as ShiftQuant's do, if that takes fewer "
            "LUTs than wider weights."
        ),
    ] = True,
) -> None:
    """Lower MODEL to FINN's hardware layers, prove its accumulators, fold, estimate and report.

    Nothing is written unless everything succeeds.

    Exit code 1: the accumulator contract is broken, or nothing can be converted.

    Exit code 2: the file or an option cannot be used.
    """
    from brevitas_ext.qonnx_ops import ContractFormatError, ContractViolationError
    from finn_transforms.build import BuildOptions, NothingConvertedError, build
    from finn_transforms.loading import InputError
    from finn_transforms.passes import BrokenContractError

    try:
        options = BuildOptions(
            part=part,
            target_fps=target_fps,
            max_luts=max_luts,
            folding=folding.value,
            clock_ns=clock_ns,
            bound=bound.value,
            overflow=overflow.value,
            compute=compute.value,
            shift_units=shift_units,
        )
        result = build(model, output, options)
    except (InputError, ContractFormatError) as error:
        _fail(str(error), _BAD_INPUT)
    except (BrokenContractError, ContractViolationError) as error:
        _fail(str(error), _BROKEN_PROMISE)
    except NothingConvertedError as error:
        list_refusals(error.refusals)
        _fail(str(error), _BROKEN_PROMISE)
    summarize(result)


@app.command("verify")
def verify_command(
    model: Annotated[Path, typer.Argument(help="Graph to check: exported, with integers separated, or lowered.")],
    *,
    against: Annotated[Path, typer.Option("--against", "-a", help="Graph it should equal, at any stage.")],
    data: Annotated[Path, typer.Option("--data", "-d", help="Samples: .npy, or .npz by input name.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Samples to take at most.")] = None,
    ulps: Annotated[float, typer.Option(min=0, help="How close to a rounding boundary a tie is, in float32 ulps.")] = 8,
) -> None:
    """Compare MODEL with another stage of the same network, tensor by tensor, and tell ties from errors.

    Every quantizer is computed from what the reference's quantizers before it gave out, so that a difference belongs to
    the layer that shows it.

    Exit code 1: a tensor differs by more than ties.

    Exit code 2: a file or the data cannot be used.
    """
    from finn_transforms.loading import InputError, load_model
    from finn_transforms.ops import UnsupportedOperatorError
    from finn_transforms.verify import read_data, verify

    try:
        graphs = load_model(model), load_model(against)
        result = verify(*graphs, read_data(data, limit), ulps=ulps)
    except (InputError, UnsupportedOperatorError) as error:
        _fail(str(error), _BAD_INPUT)
    except (KeyError, ValueError) as error:
        _fail(f"{model} or {against}: expected graphs that can be evaluated, found {error!r}; build again", _BAD_INPUT)
    Console().print(result)
    console = Console(soft_wrap=True)
    for tensor in result.tensors:
        for difference in tensor.differences:
            console.print(f"{plain(tensor.name)}: {plain(str(difference))}", highlight=False)
    for name in result.unaligned:
        console.print(f"Not compared, it has no counterpart: {plain(name)}", highlight=False)
    console.print(plain(result.summary()), highlight=False)
    if not result.ok:
        raise typer.Exit(_BROKEN_PROMISE)


@app.command("demo")
def demo_command(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for exported files, figure and numbers.")
    ] = Path("out/demo"),
    *,
    target_fps: Annotated[float, typer.Option(help="Frames per second that every design is folded for.")] = 5000,
    images: Annotated[int, typer.Option(min=1, help="How many of the bundled CIFAR-10 images to use.")] = 300,
) -> None:
    """Take two bundled networks, trained on CIFAR-10 with and without A2Q, from Brevitas to hardware layers.

    Exports them, proves their accumulators, compares the hardware's integers with Brevitas's, and shows what
    accumulator widths cost.
    """
    from brevitas_ext.demo.tour import run

    run(output, target_fps=target_fps, images=images)


app.command("certify")(certify_command)
app.command("rtl")(rtl_command)
app.command("sim")(sim_command)
app.command("synth")(synth_command)


def _fail(message: str, code: int) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(f"[bold red]Error:[/] {plain(message)}", highlight=False)
    raise typer.Exit(code)
