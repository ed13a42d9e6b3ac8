"""SPARQ's accuracy tables (1, 2 and 4, with each half alone) on CIFAR-10 ResNets, measured with Brevitas models.

    python -m benchmarks.sparq.tables --data FOLDER --checkpoints FOLDER   # writes benchmarks/results/sparq/tables.json

Every figure is the share of right answers of the model that the post-training recipe returns: ranges are means over
training images of the per-image maximum, the first convolution and the linear layer stay in float.  Each model is
measured once as it is and once with batch normalization recalibrated on augmented training images, if that lowers the
cross-entropy of other training images by more than two standard errors; else it is put back and the figure is the same.
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

from benchmarks.cifar.images import augmented_batches, calibration_batches, judging_batches
from benchmarks.cifar.resnet import accuracy, answers, load, percent
from benchmarks.recording import RESULTS, record
from benchmarks.sparq.settings import SETTINGS, Setting
from brevitas_ext.demo.data import load_dataset
from brevitas_ext.ptq import recalibrate_batch_norm

CHECKPOINTS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
AS_IT_IS = ("accuracy", "lost", "gained")
CALIBRATION_IMAGES, JUDGING_IMAGES, SEED, BATCH = 2048, 4096, 0, 100

_log = logging.getLogger("tables")


@dataclass(frozen=True)
class Batches:
    """Training images to calibrate on, to recalibrate batch normalization on, if it is wanted, and to judge that on."""

    plain: list[Tensor]
    augmented: list[Tensor]
    judging: list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Test:
    """Test images, their labels, and which of them the float network gets right."""

    images: Tensor
    labels: Tensor
    float_right: Tensor


def measure(
    setting: Setting, network: nn.Module, batches: Batches, test: Test, known: dict[str, Any]
) -> dict[str, Any]:
    """Return a quantized network's accuracy, %, as it is and, if `batches` allow it, with recalibration.

    `lost` and `gained` count images that only the float network, or only the quantized one gets right: the square root
    of their sum, over the number of images, is the standard error of the difference.
    """
    model = setting.quantized(network, batches.plain)
    found = {key: value for key, value in known.items() if key in AS_IT_IS}
    if len(found) < len(AS_IT_IS):
        right = answers(model, test.images, BATCH) == test.labels
        counts = [int((one & ~other).sum()) for one, other in ((test.float_right, right), (right, test.float_right))]
        found = dict(zip(AS_IT_IS, (percent(right), *counts), strict=True))
    if not batches.augmented:
        return known | found
    report = recalibrate_batch_norm(model, batches.augmented, judge=batches.judging)
    _log.info("%s", report)
    return found | {
        "recalibrated": accuracy(model, test.images, test.labels, BATCH) if report.kept else found["accuracy"],
        "recalibration_kept": report.kept,
        "judged_before": report.judgement.before,
        "judged_after": report.judgement.after,
        "judged_standard_error": report.judgement.standard_error,
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
    recalibration_images: Annotated[int, typer.Option(help="How many augmented training images for it.")] = 2048,
    settings: Annotated[list[str], typer.Option(help="Which settings; repeat the option.")] = list(SETTINGS),  # noqa: B006
    output: Annotated[Path, typer.Option(help="JSON file, written after every setting.")] = RESULTS
    / "sparq"
    / "tables.json",
) -> None:
    """Measure what the output does not have yet."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    conditions = {"data": "CIFAR-10", "test_images": images, "calibration_images": CALIBRATION_IMAGES}
    conditions |= {"recalibration_images": recalibration_images, "judging_images": JUDGING_IMAGES, "seed": SEED}
    results = resumed(output, conditions)
    test_images, labels = (tensor[:images] for tensor in load_dataset(data, "test"))
    cut = augmented_batches(data, recalibration_images, SEED) if recalibrate else []
    judging = judging_batches(data, JUDGING_IMAGES, SEED) if recalibrate else []
    batches = Batches(calibration_batches(data, CALIBRATION_IMAGES, SEED), cut, judging)
    wanted = {*AS_IT_IS, "recalibrated"} if recalibrate else {*AS_IT_IS}
    for name in networks:
        network = load(checkpoints / CHECKPOINTS[name])
        right = answers(network, test_images, BATCH) == labels
        result = results.setdefault(name, {"checkpoint": CHECKPOINTS[name], "float": percent(right), "settings": {}})
        for key in settings:
            known = result["settings"].get(key, {})
            if wanted <= known.keys():
                continue
            found = measure(SETTINGS[key], network, batches, Test(test_images, labels, right), known)
            result["settings"][key] = found
            record(output, {**conditions, "networks": results})
            _log.info("%s %s %s", name, key, found)


if __name__ == "__main__":
    typer.run(main)
