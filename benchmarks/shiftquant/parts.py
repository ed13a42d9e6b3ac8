"""Where the time of a training step goes: quantization, products, normalization, everything else.

    python -m benchmarks.shiftquant.parts --checkpoints FOLDER    # writes benchmarks/results/shiftquant/parts.json

Fig. 9 of ShiftQuant (Towards Accurate and Efficient Sub-8-Bit Integer Training), on this machine: ResNet-20, batches of
128, forward, backward and the optimizer's step, eager, on one thread.  The process's own time is measured, so that load
from elsewhere counts as little as it can.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import torch
import torch.nn.functional as functional
import typer
from torch import nn

from benchmarks.cifar.images import BATCH
from benchmarks.cifar.resnet import load
from benchmarks.cifar.training import sgd
from benchmarks.recording import RESULTS, record
from benchmarks.shiftquant.settings import SETTINGS
from benchmarks.shiftquant.tables import CHECKPOINT
from brevitas_ext.nn import _norm_function, integer_layer
from brevitas_ext.nn.exact_convolution import ExactConvolution
from brevitas_ext.nn.exact_linear import ExactLinear
from brevitas_ext.nn.rounding_stream import RoundingStream

ROWS = ("float", "INT8 per tensor, L2", "INT4 ShiftQuant, L1", "INT4 ShiftQuant, float norm", "float, L1 8 bits")
PRODUCTS = ("forward", "input_gradient", "weight_gradient")
PLACES: tuple[tuple[str, Any, str], ...] = (
    ("quantization", integer_layer, "shift_operand"),
    ("quantization", integer_layer, "weight_operand"),
    ("quantization", RoundingStream, "noise_like"),
    *(("products", kind, name) for kind in (ExactConvolution, ExactLinear) for name in PRODUCTS),
    ("normalization", _norm_function._Normalize, "forward"),
    ("normalization", _norm_function._Normalize, "backward"),
)
"""What is timed: part, owner and name; none of them calls another."""


@contextmanager
def timed(spent: Counter[str]) -> Iterator[None]:
    """Add what every part takes, seconds of this process, while the context is open."""

    def wrapped(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            begun = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                spent[part] += time.process_time() - begun

        return call

    with ExitStack() as stack:
        for part, owner, name in PLACES:
            replacement: Any = wrapped(part, getattr(owner, name))
            if isinstance(vars(owner).get(name), staticmethod):
                replacement = staticmethod(replacement)
            stack.enter_context(patch.object(owner, name, replacement))
        yield


def step_of(network: nn.Module) -> Callable[[], None]:
    optimizer = sgd(network.parameters(), 0.01)
    x, labels = torch.randn(BATCH, 3, 32, 32), torch.randint(10, (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(network(x), labels).backward()
        optimizer.step()

    return step


def main(
    checkpoints: Annotated[Path, typer.Option(help="Folder of the public .th files.")],
    steps: Annotated[int, typer.Option(help="Measured, of every row.")] = 8,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULTS / "shiftquant" / "parts.json",
) -> None:
    """Measure the rows in turns."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    start, images = load(checkpoints / CHECKPOINT), [torch.randn(BATCH, 3, 32, 32)]
    runs = {name: step_of(SETTINGS[name].of(start, images, 0).train()) for name in ROWS}
    spent: dict[str, Counter[str]] = {name: Counter() for name in ROWS}
    for index in range(-1, steps):
        for name, step in runs.items():
            found: Counter[str] = Counter()
            with timed(found):
                begun = time.process_time()
                step()
                found["step"] = time.process_time() - begun
            if index >= 0:
                spent[name].update(found)
    figures = {}
    for name, found in spent.items():
        seconds = {part: value / steps for part, value in found.items()}
        seconds["rest"] = seconds["step"] - sum(value for part, value in seconds.items() if part != "step")
        figures[name] = {part: round(value, 4) for part, value in seconds.items()}
    record(output, {"threads": 1, "batch": BATCH, "steps": steps, "seed": 0, "seconds of the process": figures})
    typer.echo(json.dumps(figures, indent=2))


if __name__ == "__main__":
    typer.run(main)
