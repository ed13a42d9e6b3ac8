"""Units of FINN's own library in many configurations, and one bench for all of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from qonnx.core.datatype import DataType

from finn_transforms.hw_graph import MvauParams, PaddingParams, SwgParams, ThresholdingParams
from finn_transforms.rtl import RtlUnit
from finn_transforms.rtl.finn_library import FinnMvu, FinnPadding, FinnSwg, FinnThresholding
from finn_transforms.sim import Bench, Stalls

# Without stalls; with gaps on both sides; with readers that come late.
WAYS = [None, Stalls(), Stalls(valid_probability=0.3), Stalls(ready_probability=0.3, ready_after_valid=True)]


def swg(name: str, kernel: int | tuple[int, int] = 3, image: int | tuple[int, int] = 6, **changes: Any) -> FinnSwg:
    """Return a window generator of 4-bit pixels, 2 of 4 channels per beat unless told otherwise."""
    return FinnSwg(name=name, layer=swg_layer(name, kernel, image, **changes))


def swg_layer(
    name: str, kernel: int | tuple[int, int] = 3, image: int | tuple[int, int] = 6, **changes: Any
) -> SwgParams:
    """Return the layer of such a generator."""
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
    return SwgParams(output=output, **sizes, **options)


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


def thresholding(name: str, **changes: Any) -> FinnThresholding:
    """Return one of 8-bit values to 4-bit counts, 2 of 4 channels per beat unless told otherwise.

    Its thresholds are random, and include the lowest and the highest value of the input.
    """
    types = {key: DataType[changes.pop(key, default)] for key, default in _THRESHOLD_TYPES.items()}
    options = {"channels": 4, "pe": 2, "steps": 15, "num_vectors": (1, 3)} | types | changes
    layer = ThresholdingParams(name=name, **options)
    low, high = int(layer.input_type.min()), int(layer.input_type.max())
    shape = (1 if layer.shared else layer.channels, layer.steps)
    thresholds = np.random.default_rng(len(name)).integers(low, high + 1, shape)
    thresholds[0, [0, -1]] = low, high
    return FinnThresholding(name=name, layer=layer, thresholds=np.sort(thresholds, axis=1))


def mvu(name: str, *, streamed: bool = False, dsp_block: str = "DSP48E2", **changes: Any) -> FinnMvu:
    """Return one of 12 4-bit inputs to 6 sums, 3 inputs and 2 sums at a time unless told otherwise."""
    types = {key: DataType[changes.pop(key, default)] for key, default in _UNIT_TYPES.items()}
    types["output_type"] = types["accumulator_type"]
    options = {"mw": 12, "mh": 6, "pe": 2, "simd": 3, "num_vectors": (1, 3), "ram_style": "distributed"}
    layer = MvauParams(name=name, **options | types | changes)
    low, high = int(layer.weight_type.min()), int(layer.weight_type.max())
    weights = np.random.default_rng(len(name)).integers(low, high + 1, (layer.mw, layer.mh))
    return FinnMvu(name=name, layer=layer, weights=None if streamed else weights, dsp_block=dsp_block)


_UNIT_TYPES = {"input_type": "UINT4", "weight_type": "INT4", "accumulator_type": "INT13"}
_THRESHOLD_TYPES = {"input_type": "INT8", "threshold_type": "INT8", "output_type": "UINT4"}
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
THRESHOLDINGS = {
    unit.name: unit
    for unit in (
        thresholding("thresholding_plain"),
        thresholding("thresholding_signed", bias=-8, output_type="INT4"),
        thresholding("thresholding_wide_result", bias=-4, steps=7, output_type="INT8"),
        thresholding("thresholding_five_steps", steps=5, pe=1, input_type="UINT6", threshold_type="UINT6"),
        thresholding("thresholding_signs", steps=1, output_type="BIPOLAR", pe=4),
        thresholding("thresholding_shared", shared=True, steps=3, output_type="UINT2"),
        thresholding("thresholding_mixed_types", input_type="UINT8", threshold_type="INT9", channels=6, pe=3),
        thresholding("thresholding_narrow_type", input_type="INT12", bias=3, output_type="UINT5", channels=8, pe=1),
        thresholding("thresholding_many", input_type="INT20", threshold_type="INT20", steps=255, output_type="UINT8"),
    )
}
MVUS = {
    unit.name: unit
    for unit in (
        mvu("mvu_plain"),
        mvu("mvu_streamed", streamed=True),
        mvu("mvu_slow", pe=1, simd=1, ram_style="block"),
        mvu("mvu_all_outputs", pe=6, simd=4),
        mvu("mvu_bytes", input_type="INT8", weight_type="INT8", accumulator_type="INT20"),
        mvu("mvu_ternary", input_type="INT4", weight_type="TERNARY", pe=3, simd=4, dsp_block="DSP48E1"),
    )
}


@cache
def bench() -> Bench:
    """Return them all in one build."""
    return Bench([*SWGS.values(), *PADDINGS.values(), *THRESHOLDINGS.values(), *MVUS.values()])


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


def beats_waited_for(unit: RtlUnit, inputs: list[np.ndarray], seeds: int = 8) -> np.ndarray:
    """Return how many beats of the input each beat of the first frame was seen to wait for, the fewest of some runs.

    Inputs come so rarely that what can leave has left before the next one.
    """
    fewest = np.full(unit.outputs[0].beats, unit.inputs[0].beats)
    for seed in range(seeds):
        run = bench().run(unit, inputs, stalls=Stalls(valid_probability=0.01, ready_probability=1), seed=seed)
        accepted, produced = run.accepted[0][0], run.produced[0][0]
        fewest = np.minimum(fewest, (accepted[None, :] < produced[:, None]).sum(axis=1))
    return fewest
