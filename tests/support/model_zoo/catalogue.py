"""Which networks there are, each in a size for tests and in the size that people build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tests.support.model_zoo.binary import Cnv, fully_connected
from tests.support.model_zoo.calibration import calibrated
from tests.support.model_zoo.dense_output import Espcn, Unet
from tests.support.model_zoo.feedforward import mobilenet, vgg
from tests.support.model_zoo.residual import cifar_resnet, resnet18

_CALIBRATION_IMAGES = 8


@dataclass(frozen=True)
class ZooModel:
    """A network and the shape (C, H, W) of its image, whose values lie in [0, 1]."""

    network: Callable[[], nn.Module]
    shape: tuple[int, int, int]

    def build(self, seed: int = 0) -> nn.Module:
        """Return the calibrated network in evaluation mode; the same seed gives the same network."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return calibrated(self.network(), self.images(_CALIBRATION_IMAGES, seed), seed=seed)

    def images(self, count: int, seed: int = 0) -> Tensor:
        """Return random images, of which the last three are all 0, all 1, and 0 or 1 at random."""
        generator = torch.Generator().manual_seed(seed)
        images = torch.rand((count, *self.shape), generator=generator)
        if count > 3:
            images[-3], images[-2], images[-1] = 0, 1, images[-1].round()
        return images


def _catalogue(*, small: bool) -> dict[str, ZooModel]:
    side = 8 if small else 28
    tfc = (16, 16, 16) if small else (64, 64, 64)
    lfc = (48, 48, 48) if small else (1024, 1024, 1024)
    cnv = {"width": 8, "hidden": 32} if small else {}
    image = (3, 32, 32)
    little = (3, 8, 8) if small else image
    models = {
        f"tfc_w{weights}a{activations}": ZooModel(
            lambda w=weights, a=activations: fully_connected(w, a, features=tfc, side=side), (1, side, side)
        )
        for weights, activations in ((1, 1), (1, 2), (2, 2))
    }
    models["lfc_w1a1"] = ZooModel(lambda: fully_connected(1, 1, features=lfc, side=side), (1, side, side))
    models |= {
        f"cnv_w{weights}a{activations}": ZooModel(lambda w=weights, a=activations: Cnv(w, a, **cnv), image)
        for weights, activations in ((1, 1), (1, 2), (2, 2))
    }
    models["vgg_w4a4"] = ZooModel(
        lambda: vgg(4, widths=(8, 16), hidden=16, side=8) if small else vgg(4), (3, 8, 8) if small else image
    )
    models["mobilenet_w4a4"] = ZooModel(
        lambda: mobilenet(4, width=0.125, stages=(1, 2, 1), side=16) if small else mobilenet(4),
        (3, 16, 16) if small else (3, 224, 224),
    )
    models["resnet20_w4a4"] = ZooModel(lambda: cifar_resnet(8, width=6, side=8) if small else cifar_resnet(20), little)
    models["resnet18_w4a4"] = ZooModel(lambda: resnet18(width=4, side=8) if small else resnet18(), little)
    espcn = (3, 6, 6) if small else (3, 128, 128)
    models["espcn_subpixel_w4a4"] = ZooModel(lambda: Espcn("subpixel"), espcn)
    models["espcn_resize_w4a4"] = ZooModel(lambda: Espcn("resize"), espcn)
    models["unet_w4a4"] = ZooModel(
        lambda: Unet(width=6) if small else Unet(width=32), (3, 8, 8) if small else (3, 64, 64)
    )
    if not small:
        models |= {f"resnet{depth}_w4a4": ZooModel(lambda d=depth: cifar_resnet(d), image) for depth in (56, 110)}
    return models


SMALL = _catalogue(small=True)
FULL = _catalogue(small=False)
