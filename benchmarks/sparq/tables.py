"""SPARQ's accuracy tables (1, 2 and 4, with each half alone) on CIFAR-10 ResNets, measured with Brevitas models.

    python -m benchmarks.sparq.tables --data FOLDER --checkpoints FOLDER   # writes benchmarks/results/sparq/tables.json

Every figure is the share of right answers of the model that the post-training recipe returns: ranges are means over
training images of the per-image maximum, the first convolution and the linear layer stay in float.  Each model is
measured once as it is and once with batch normalization recalibrated on augmented training images, if that brings its
outputs on training images closer to the float network's; else the recalibration is put back and the figure is the same.
A setting that the output file has already is not measured again.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn

from benchmarks.recording import RESULTS, record
from benchmarks.sparq.cifar import calibration_batches
from benchmarks.sparq.resnet import accuracy, load
from benchmarks.sparq.settings import SETTINGS, Setting
from brevitas_ext.demo.data import load_dataset
from brevitas_ext.ptq import recalibrate_batch_norm

CHECKPOINTS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
CALIBRATION_IMAGES, JUDGING_BATCHES, SEED, BATCH = 2048, 4, 0, 100

_log = logging.getLogger("tables")


@dataclass(frozen=True)
class Batches:
    """Training images to calibrate on, and to recalibrate batch normalization on, if it is wanted."""

    plain: list[Tensor]
    augmented: list[Tensor]


def measure(
    setting: Setting, network: nn.Module, batches: Batches, test: tuple[Tensor, Tensor], known: dict[str, Any]
) -> dict[str, Any]:
    """Return a quantized network's accuracy, %, as it is and, if `batches` allow it, with recalibration."""
    model = setting.quantized(network, batches.plain)
    found = known.get("accuracy")
    if found is None:
        found = accuracy(model, *test, batch=BATCH)
    if not batches.augmented:
        return {"accuracy": found}
    report = recalibrate_batch_norm(model, batches.augmented, reference=network, judge=batches.plain[:JUDGING_BATCHES])
    return {
        "accuracy": found,
        "recalibrated": accuracy(model, *test, batch=BATCH) if report.kept else found,
        "recalibration_kept": report.kept,
        "divergence_before": report.distance_before,
        "divergence_after": report.distance_after,
    }


def resumed(output: Path, conditions: dict[str, Any]) -> dict[str, Any]:
    """Return the networks of an earlier run under the same conditions.

    Raises:
        ValueError: the file holds figures of other conditions.
    """
    if not output.exists():
        return {}
    stored = json.loads(output.read_text())
    found = {name: stored.get(name) for name in conditions}
    if found != conditions:
        raise ValueError(f"{output}: expected figures measured with {conditions}, found {found}; set --output")
    networks: dict[str, Any] = stored["networks"]
    return networks


def main(
    data: Annotated[Path, typer.Option(help="Folder of CIFAR-10, in a layout that the demo reads.")],
    checkpoints: Annotated[Path, typer.Option(help="Folder of the public .th files.")],
    networks: Annotated[list[str], typer.Option(help="Which networks; repeat the option.")] = list(CHECKPOINTS),  # noqa: B006
    images: Annotated[int, typer.Option(help="How many test images, from the first one on.")] = 10_000,
    recalibrate: Annotated[bool, typer.Option(help="Measure with recalibrated batch normalization, too.")] = True,
    output: Annotated[Path, typer.Option(help="JSON file, written after every setting.")] = RESULTS
    / "sparq"
    / "tables.json",
) -> None:
    """Measure what the output does not have yet."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    conditions = {"data": "CIFAR-10", "test_images": images, "calibration_images": CALIBRATION_IMAGES, "seed": SEED}
    results = resumed(output, conditions)
    labelled = tuple(tensor[:images] for tensor in load_dataset(data, "test"))
    test = (labelled[0], labelled[1])
    plain, cut = calibration_batches(data, CALIBRATION_IMAGES, SEED)
    batches = Batches(plain, cut if recalibrate else [])
    for name in networks:
        network = load(checkpoints / CHECKPOINTS[name])
        result = results.setdefault(name, {"checkpoint": CHECKPOINTS[name], "settings": {}})
        if "float" not in result:
            result["float"] = accuracy(network, *test, batch=BATCH)
            record(output, {**conditions, "networks": results})
        for key, setting in SETTINGS.items():
            known = result["settings"].get(key, {})
            if ("recalibrated" if recalibrate else "accuracy") in known:
                continue
            result["settings"][key] = measure(setting, network, batches, test, known)
            record(output, {**conditions, "networks": results})
            _log.info("%s %s %s", name, key, result["settings"][key])


if __name__ == "__main__":
    typer.run(main)
