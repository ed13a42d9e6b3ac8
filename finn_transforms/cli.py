"""The command line, ``bfx``."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from finn_transforms.cli_certify import certify_command
from finn_transforms.cli_rtl import rtl_command, sim_command
from finn_transforms.cli_synth import synth_command

if TYPE_CHECKING:
    from finn_transforms.build import BuildResult

_BAD_INPUT = 2
_BROKEN_PROMISE = 1
# How many nodes a message names.
_NAMED = 5

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
        _list_refusals(error.refusals)
        _fail(str(error), _BROKEN_PROMISE)
    _summarize(result)


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
            console.print(f"{_plain(tensor.name)}: {_plain(str(difference))}", highlight=False)
    for name in result.unaligned:
        console.print(f"Not compared, it has no counterpart: {_plain(name)}", highlight=False)
    console.print(_plain(result.summary()), highlight=False)
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
    Console(stderr=True, soft_wrap=True).print(f"[bold red]Error:[/] {_plain(message)}", highlight=False)
    raise typer.Exit(code)


def _summarize(result: BuildResult) -> None:
    from finn_transforms.report import accumulator_table, layer_table, not_estimated

    console = Console()
    console.print(accumulator_table(result.accumulators))
    console.print(layer_table(result.graph, result.estimates))
    options, performance = result.options, result.performance
    console.print(
        f"{_folding(result)}: {performance['estimated_throughput_fps']:.0f} frames/s at {1e3 / options.clock_ns:g} MHz "
        f"on {options.part}, products in {options.compute.upper()}s.",
        highlight=False,
    )
    unknown = Counter(node.op_type for node in not_estimated(result.graph, result.estimates))
    if unknown:
        kinds = ", ".join(f"{count} {kind}" for kind, count in unknown.most_common())
        console.print(f"Not estimated, and not in these sums: {kinds}.", highlight=False)
    _list_refusals(result.refusals)
    _warn_of_islands(result)
    console.print(f"Written: {_plain(str(result.output))}/hw_graph.onnx and report/*.json", highlight=False)


def _folding(result: BuildResult) -> str:
    options, folding = result.options, result.folding
    if options.folding_method == "as in the file":
        return "Folding as in the file, PE = SIMD = 1 by default (no --target-fps, no --max-luts)"
    if options.max_luts is None:
        target = f"Folded for {options.target_fps:g} frames/s"
    else:
        target = f"Folded for at most {options.max_luts} LUTs"
    size = f"{folding.lut} LUTs with {folding.converter_lut} of width converters"
    if options.folding == "finn":
        return f"{target} as FINN does, {size}"
    proof = "proven to be the fewest" if folding.is_optimal else f"at least {folding.lower_bound} are needed"
    return f"{target}, {size}, {proof}"


def _list_refusals(refusals: tuple[object, ...]) -> None:
    console = Console(soft_wrap=True)
    console.print(f"Not converted: {len(refusals) or 'nothing'}{':' if refusals else '.'}", highlight=False)
    for refusal in refusals:
        console.print(f"  {_plain(str(refusal))}", highlight=False)


def _warn_of_islands(result: BuildResult) -> None:
    from finn_transforms.analysis.islands import nodes_between_hardware

    between = nodes_between_hardware(result.model)
    if not between:
        return
    names = ", ".join(f"{node.op_type} {node.name!r}" for node in between[:_NAMED])
    more = f" and {len(between) - _NAMED} more" if len(between) > _NAMED else ""
    Console(stderr=True, soft_wrap=True).print(
        f"[bold yellow]Warning:[/] the hardware layers are not one accelerator: {_plain(names + more)} between them "
        "would run on the host, which FINN's builder refuses; see what was not converted",
        highlight=False,
    )


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
