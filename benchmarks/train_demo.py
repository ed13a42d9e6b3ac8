"""Train one variant of the demonstration network.

The bundled networks are made by (DIR holds CIFAR-10 in any layout that `brevitas_ext.demo.data` reads):

    python benchmarks/train_demo.py --variant float --data DIR --epochs 12 --learning-rate 6e-3 --out float.npz
    python benchmarks/train_demo.py --variant qat --start float.npz --data DIR --out qat.npz
    python benchmarks/train_demo.py --variant a2q --start float.npz --accumulator-bits 13 --data DIR --out a2q.npz
    python benchmarks/bundle_demo.py --data DIR qat.npz a2q.npz

An interrupted run continues from its last whole epoch when it is started again with the same options.
"""

import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from brevitas_ext.demo.budget import return_to_budget, start_with_room
from brevitas_ext.demo.checkpoint import load_checkpoint, save_checkpoint
from brevitas_ext.demo.data import load_dataset
from brevitas_ext.demo.model import DemoConfig, DemoNet, build_model, start_from_float, to_input
from brevitas_ext.demo.training import Recipe, Trainer, count_correct
from brevitas_ext.quantizers import accumulator_penalty

CALIBRATION_IMAGES = 500
console = Console()


def main(
    variant: Annotated[str, typer.Option(help="float, qat or a2q")],
    data: Annotated[Path, typer.Option(help="folder of the data set", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="checkpoint to write, .npz")],
    start: Annotated[Path | None, typer.Option(help="float checkpoint to start from", exists=True)] = None,
    epochs: int = 5,
    learning_rate: float = 3e-3,
    accumulator_bits: Annotated[int | None, typer.Option(help="target P of the hidden layers (a2q)")] = None,
    penalty_weight: Annotated[float, typer.Option(help="factor of A2Q's penalty (a2q)")] = 1e-3,
    seed: int = 0,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 1,
) -> None:
    """Train one variant of the demonstration network; resumes an interrupted run."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    images, labels = load_dataset(data, "train")
    recipe = Recipe(
        epochs=epochs,
        learning_rate=learning_rate,
        penalty_weight=penalty_weight if variant == "a2q" else 0.0,
        seed=seed,
    )
    config = DemoConfig(variant=variant, accumulator_bits=accumulator_bits)  # type: ignore[arg-type]
    model = build_model(config)
    if start is not None:
        load_start(model, start, images[:CALIBRATION_IMAGES])
    if variant == "a2q":
        trainer = Trainer(model, images, labels, recipe, penalty=accumulator_penalty, after_step=return_to_budget)
    else:
        trainer = Trainer(model, images, labels, recipe)

    state_file = out.with_suffix(".state")
    if state_file.exists():
        trainer.resume(state_file)
        console.print(f"continuing after epoch {trainer.epoch} of {epochs}")
    run(trainer, state_file)
    test_images, test_labels = load_dataset(data, "test")
    correct = count_correct(model, test_images, test_labels)
    record: dict[str, Any] = {
        # The folder of the data set is the reader's own.
        "command": shlex.join(["python", "benchmarks/train_demo.py", *sys.argv[1:]]).replace(str(data), "DIR"),
        "recipe": vars(recipe),
        "mean_losses": trainer.mean_losses,
        "test_correct": correct,
        "test_images": len(test_labels),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "brevitas")}},
        "date": datetime.now(UTC).date().isoformat(),
    }
    save_checkpoint(out, model, record)
    console.print(f"{variant}: {correct} of {len(test_labels)} test images right; wrote {out}")


def load_start(model: DemoNet, start: Path, images: torch.Tensor) -> None:
    """Start a quantized network from a float one."""
    inputs = to_input(images)
    start_from_float(model, load_checkpoint(start)[0], inputs)
    if model.config.variant == "a2q":
        start_with_room(model, inputs)


def run(trainer: Trainer, state_file: Path) -> None:
    """Train the epochs that are left, saving the state after each."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        while trainer.epoch < trainer.recipe.epochs:
            task = bar.add_task(f"epoch {trainer.epoch + 1}", total=trainer.steps_per_epoch)
            trainer.run_epoch(lambda step, task=task: bar.update(task, completed=step.step + 1))  # type: ignore[misc]
            trainer.save(state_file)
            bar.console.print(f"epoch {trainer.epoch}: mean loss {trainer.mean_losses[-1]:.4f}")


if __name__ == "__main__":
    typer.run(main)
