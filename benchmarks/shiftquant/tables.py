"""Integer training of ResNet-20 on CIFAR-10 against float, the same short schedule for every row of a table.

    python -m benchmarks.shiftquant.tables --data FOLDER --checkpoints FOLDER
    python -m benchmarks.shiftquant.tables --data FOLDER --checkpoints FOLDER --start scratch --rate 0.1

Tables 2, 6 and 7 of ShiftQuant (Towards Accurate and Efficient Sub-8-Bit Integer Training), as fine-tuning of the
public checkpoint, or from scratch.  A row is appended to the output when it is done; one that is there is not trained
again.  Activations are quantized over the range of their batch in evaluation, too.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer
from torch import Tensor, nn

from benchmarks.cifar.images import calibration_batches
from benchmarks.cifar.resnet import CifarResNet, answers, load, percent
from benchmarks.cifar.training import Schedule, train
from benchmarks.recording import RESULTS, record
from benchmarks.shiftquant.settings import EDGE_BITS, FLOAT, NORM_BITS, SETTINGS
from brevitas_ext.demo.data import load_dataset
from brevitas_ext.nn import QuantizedBatchNorm
from brevitas_ext.nn._per_tensor import quantize_per_tensor

CHECKPOINT = "resnet20-12fca82f.th"
DEPTH, CALIBRATION_IMAGES, LAST = 20, 512, 50

Start = Literal["checkpoint", "scratch"]

_log = logging.getLogger("tables")


def resumed(output: Path, conditions: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of an earlier run under the same conditions.

    Raises:
        ValueError: the file holds figures of other conditions.
    """
    if not output.exists():
        return {}
    stored = json.loads(output.read_text())
    found = {name: stored.get(name) for name in conditions}
    if found != conditions:
        raise ValueError(f"{output}: expected figures measured with {conditions}, found {found}; set --output")
    rows: dict[str, Any] = stored["rows"]
    return rows


def network_of(start: Start, checkpoints: Path, seed: int) -> nn.Module:
    if start == "checkpoint":
        return load(checkpoints / CHECKPOINT)
    torch.manual_seed(seed)
    return CifarResNet(DEPTH)


def disagreements(right: Tensor, float_answers: Path) -> dict[str, int]:
    """Return how many images only float training (`lost`), or only this row (`gained`) gets right."""
    if not float_answers.exists():
        return {}
    reference = torch.load(float_answers)
    return {"lost": int((reference & ~right).sum()), "gained": int((right & ~reference).sum())}


@torch.no_grad()
def gaps(network: nn.Module) -> dict[str, float]:
    """Return how far quantization moves one over the running deviation (Fig. 12), means over layers of channels' means.

    `gap` is absolute, `relative_gap` in shares of what it is without quantization.
    """
    found = []
    for layer in network.modules():
        if isinstance(layer, QuantizedBatchNorm):
            bits, deviation = layer.options.bits.statistics, layer.running_deviation
            gap = (1 / quantize_per_tensor(deviation, bits, signed=False, least=1).values - 1 / deviation).abs()
            found.append(torch.stack([gap.mean(), (gap * deviation).mean()]))
    if not found:
        return {}
    absolute, relative = torch.stack(found).mean(0).tolist()
    return {"gap": absolute, "relative_gap": relative}


def main(
    data: Annotated[Path, typer.Option(help="Folder of CIFAR-10, in a layout that the demo reads.")],
    checkpoints: Annotated[Path, typer.Option(help="Folder of the public .th files.")],
    start: Annotated[Start, typer.Option(help="What is trained on.")] = "checkpoint",
    settings: Annotated[list[str], typer.Option(help="Which rows; repeat the option.")] = list(SETTINGS),  # noqa: B006
    steps: Annotated[int, typer.Option(help="How many batches.")] = 200,
    batch: Annotated[int, typer.Option(help="How many images are in one.")] = 64,
    rate: Annotated[float, typer.Option(help="Learning rate at the start.")] = 0.002,
    seed: Annotated[int, typer.Option(help="Of the images, the roundings and, from scratch, the weights.")] = 0,
    scratch: Annotated[Path, typer.Option(help="Where answers of float rows are kept, to compare with.")] = Path("out"),
    device: Annotated[
        str, typer.Option(help="Where to train; figures of different devices go to different files.")
    ] = "cpu",
    output: Annotated[Path | None, typer.Option(help="JSON file, written after every row.")] = None,
) -> None:
    """Train and measure what the output does not have yet."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    output = output or RESULTS / "shiftquant" / f"tables_{start}.json"
    conditions: dict[str, Any] = {"network": "resnet20", "data": "CIFAR-10", "start": start, "steps": steps}
    conditions |= {"batch": batch, "rate": rate, "first_last_bits": EDGE_BITS, "norm_bits": NORM_BITS, "threads": 1}
    conditions |= {} if device == "cpu" else {"device": device}
    rows = resumed(output, conditions)
    test_images, labels = load_dataset(data, "test")
    trained_on = load_dataset(data, "train")
    plain = calibration_batches(data, CALIBRATION_IMAGES, seed)
    scratch.mkdir(parents=True, exist_ok=True)
    float_answers = scratch / f"shiftquant_float_{output.stem}_{seed}.pt"
    for name in settings:
        row = rows.setdefault(name, {})
        if str(seed) in row:
            continue
        network = SETTINGS[name].of(network_of(start, checkpoints, seed), plain, seed).to(device)
        begun = time.perf_counter()
        losses = train(network, trained_on, Schedule(steps=steps, rate=rate, seed=seed, batch=batch))
        seconds = time.perf_counter() - begun
        right = answers(network, test_images) == labels
        if name == FLOAT:
            torch.save(right, float_answers)
        found = {"accuracy": percent(right), "loss": sum(losses[-LAST:]) / LAST, "seconds": round(seconds)}
        row[str(seed)] = {**found, "test_images": len(labels), **disagreements(right, float_answers), **gaps(network)}
        record(output, {**conditions, "rows": rows})
        _log.info("%s, seed %d: %s", name, seed, row[str(seed)])


if __name__ == "__main__":
    typer.run(main)
