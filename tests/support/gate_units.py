"""One small unit of each kind, memories in LUTs, for what is simulated gate by gate."""

import numpy as np
from qonnx.core.datatype import DataType

from finn_transforms.rtl import (
    Duplicate,
    Elementwise,
    Fifo,
    GlobalSum,
    MvauLut,
    Pool,
    RtlUnit,
    Thresholding,
    VvauLut,
    WidthConverter,
)

_RANDOM = np.random.default_rng(5)
INT8, INT5, INT4, UINT3 = DataType["INT8"], DataType["INT5"], DataType["INT4"], DataType["UINT3"]
BIPOLAR, INT12 = DataType["BIPOLAR"], DataType["INT12"]
_STEPS = np.sort(_RANDOM.integers(-120, 120, (4, 7)), axis=1)


def mvau(name: str, **changes: object) -> MvauLut:
    """Return a 4 x 4 matrix of 4-bit weights in LUTs times 4-bit vectors, two outputs of two products a cycle."""
    fields = {
        "mw": 4, "mh": 4, "pe": 2, "simd": 2, "input_type": INT4, "weight_type": INT4, "accumulator_type": INT12,
        "num_vectors": (3,), "ram_style": "distributed", "weights": _RANDOM.integers(-8, 8, (4, 4)),
    }  # fmt: skip
    return MvauLut(name=name, **fields | changes)


UNITS: dict[str, tuple[RtlUnit, ...]] = {
    "xc7": (
        mvau("stored_weights"),
        mvau("deep_memory", mw=100, mh=12, weights=_RANDOM.integers(-8, 8, (100, 12)), num_vectors=(1,)),
        mvau("with_thresholds", thresholds=_STEPS, output_type=UINT3),
        Thresholding(
            name="binary_search", channels=4, pe=2, thresholds=_STEPS, input_type=INT8, output_type=UINT3,
            num_vectors=(5,), memory="distributed",
        ),
        VvauLut(
            name="depthwise", channels=4, pe=2, simd=3, kernel=(3, 1), windows=3, input_type=INT4, weight_type=INT4,
            accumulator_type=INT12, weights=_RANDOM.integers(-8, 8, (4, 1, 3, 1)), ram_style="distributed",
        ),
        Fifo(name="memory", data_type=INT5, elements=3, beats=40, depth=33, ram_style="distributed"),
        WidthConverter(name="narrow", data_type=INT5, elements_in=6, elements_out=4, elements=24),
        Elementwise(
            name="constant_products", operation="mul", left_type=INT5, right_type=INT4, elements=2, beats=10,
            output_type=DataType["INT9"], constants=np.array([[0, 1], [-8, 7], [5, -1], [-3, 2], [0, 6]]),
        ),
        Duplicate(name="copy", data_type=INT5, elements=2, beats=10, copies=2),
    ),
    "xcup": (
        mvau("unsigned_inputs", input_type=DataType["UINT2"]),
        mvau("deep_sparse_memory", mw=200, mh=2, weights=_RANDOM.integers(-8, 8, (200, 2)) // 6, num_vectors=(2,)),
        VvauLut(
            name="constant_kernels", channels=2, pe=2, simd=3, kernel=(3, 1), windows=3, input_type=INT4,
            weight_type=INT4, accumulator_type=INT12, weights=_RANDOM.integers(-8, 8, (2, 1, 3, 1)),
        ),
        Elementwise(
            name="looked_up", operation="sub", left_type=INT4, right_type=INT4, elements=2, beats=9,
            output_type=DataType["INT5"], constants=np.array([[0, 1], [-8, 7], [5, -1]]),
        ),
        mvau("streamed_weights", weights=None, weight_source="stream"),
        mvau("constant_weights", pe=4, simd=4, weight_source="constant"),
        mvau("signs", input_type=BIPOLAR, weight_type=BIPOLAR, weights=_RANDOM.choice([-1, 1], (4, 4))),
        Thresholding(
            name="parallel_search", channels=4, pe=2, thresholds=_STEPS, input_type=INT8, output_type=UINT3,
            num_vectors=(5,), search="parallel",
        ),
        Fifo(name="memory", data_type=INT5, elements=3, beats=40, depth=33, ram_style="distributed"),
        Pool(
            name="maximum", channels=4, pe=2, kernel=(2, 2), windows=3, function="MaxPool", input_type=INT5,
            output_type=INT5,
        ),
        GlobalSum(
            name="all_pixels", channels=4, pe=2, pixels=6, input_type=UINT3, output_type=DataType["UINT6"],
        ),
        WidthConverter(name="widen", data_type=INT5, elements_in=2, elements_out=6, elements=24),
    ),
}  # fmt: skip
