"""Units of FINN's own library in many configurations, and one bench for all of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from qonnx.core.datatype import DataType

from finn_transforms.hw_graph import PaddingParams, SwgParams
from finn_transforms.rtl import RtlUnit
from finn_transforms.rtl.finn_library import FinnPadding, FinnSwg
from finn_transforms.sim import Bench, Stalls

# Without stalls; with gaps on both sides; with readers that come late.
WAYS = [None, Stalls(), Stalls(valid_probability=0.3), Stalls(ready_probability=0.3, ready_after_valid=True)]


def swg(name: str, kernel: int | tuple[int, int] = 3, image: int | tuple[int, int] = 6, **changes: Any) -> FinnSwg:
    """Return a window generator of 4-bit pixels, 2 of 4 channels per beat unless told otherwise."""
    pairs = {
        "kernel": kernel,
        "image": image,
        "stride": changes.pop("stride", 1),
        "dilation": changes.pop("dilation", 1),
    }
    sizes = {key: value if isinstance(value, tuple) else (value, value) for key, value in pairs.items()}
    output = tuple(
        (size - (window - 1) * apart - 1) // step + 1
        for size, window, apart, step in zip(
            sizes["image"], sizes["kernel"], sizes["dilation"], sizes["stride"], strict=True
        )
    )
    options = {"name": name, "channels": 4, "simd": 2, "data_type": DataType["INT4"]} | changes
    return FinnSwg(name=name, layer=SwgParams(output=output, **sizes, **options))


def padding(name: str, **changes: Any) -> FinnPadding:
    """Return one of 5 x 4 images of 4-bit pixels, 2 of 4 channels per beat unless told otherwise."""
    options = {
        "name": name,
        "image": (5, 4),
        "padding": (1, 1, 1, 1),
        "channels": 4,
        "simd": 2,
        "data_type": DataType["INT4"],
    }
    return FinnPadding(name=name, layer=PaddingParams(**options | changes))


SWGS = {
    unit.name: unit
    for unit in (
        swg("swg_plain"),
        swg("swg_whole_pixels", simd=4, kernel=(2, 3), image=(5, 6)),
        swg("swg_stride", stride=2, image=7),
        swg("swg_unused_pixels", stride=(3, 2), image=(9, 8), kernel=2),
        swg("swg_dilation", dilation=2, image=(7, 8), simd=1),
        swg("swg_whole_image", kernel=4, image=4),
        swg("swg_1d", kernel=(3, 1), image=(8, 1), channels=1, simd=1, data_type=DataType["UINT3"]),
        swg("swg_depthwise", depthwise=True),
        swg("swg_depthwise_stride", depthwise=True, stride=2, kernel=2, image=(8, 6), simd=1),
        swg("swg_depthwise_1d", depthwise=True, kernel=(1, 3), image=(1, 9), stride=(1, 2), dilation=(1, 2)),
        swg("swg_point", kernel=1, stride=2),
        swg("swg_window", parallel_window=True, simd=4),
        swg(
            "swg_window_signs",
            parallel_window=True,
            simd=4,
            kernel=(2, 3),
            stride=(2, 1),
            data_type=DataType["BIPOLAR"],
        ),
        swg("swg_window_depthwise", parallel_window=True, depthwise=True, stride=2, image=8, simd=1),
        swg("swg_window_1d", parallel_window=True, simd=4, kernel=(1, 3), image=(1, 9), stride=(1, 2)),
    )
}
PADDINGS = {
    unit.name: unit
    for unit in (
        padding("pad_around"),
        padding("pad_whole_pixels", simd=4, data_type=DataType["TERNARY"]),
        padding("pad_uneven", padding=(0, 2, 1, 0), simd=1, data_type=DataType["UINT5"]),
        padding("pad_two_images", padding=(2, 0, 0, 3), batch=2),
    )
}


@cache
def bench() -> Bench:
    """Return them all in one build."""
    return Bench([*SWGS.values(), *PADDINGS.values()])


def frames(unit: RtlUnit, count: int, seed: int = 0) -> list[np.ndarray]:
    """Return random frames for each input of a unit, over the whole data type."""
    rng = np.random.default_rng(seed)
    found = []
    for stream in unit.inputs:
        values = rng.integers(
            stream.data_type.min(), stream.data_type.max() + 1, (count, stream.beats, stream.elements)
        )
        found.append(np.where(values >= 0, 1, -1) if stream.data_type.name == "BIPOLAR" else values)
    return found


def beats_waited_for(unit: RtlUnit, inputs: list[np.ndarray], seeds: int = 12) -> np.ndarray:
    """Return how many beats of the input each beat of the first frame was seen to wait for, the fewest of some runs.

    Inputs come so rarely that what can leave has left before the next one.
    """
    fewest = np.full(unit.outputs[0].beats, unit.inputs[0].beats)
    for seed in range(seeds):
        run = bench().run(unit, inputs, stalls=Stalls(valid_probability=0.04, ready_probability=1), seed=seed)
        accepted, produced = run.accepted[0][0], run.produced[0][0]
        fewest = np.minimum(fewest, (accepted[None, :] < produced[:, None]).sum(axis=1))
    return fewest
