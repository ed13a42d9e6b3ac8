"""Small graphs with one accumulator of each kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from tests.support.small import hardware_layer
from tests.support.streams import Streams, unit, windows

RNG = np.random.default_rng(5)


def dense() -> ir.Model:
    return hardware_layer([[3, -1], [-2, 0], [1, 1]], input_type="UINT2", weight_type="INT3")


def writable() -> ir.Model:
    return hardware_layer([[0], [0]], input_type="INT3", weight_type="INT4", runtime_writeable_weights=1)


def with_thresholds() -> ir.Model:
    return hardware_layer(
        [[1], [2]], input_type="UINT2", weight_type="INT3", thresholds=[[-1, 5, 10]], output_type="UINT2"
    )


def popcount() -> ir.Model:
    return hardware_layer([[1, 1], [-1, 1], [1, -1]], input_type="BIPOLAR", weight_type="BIPOLAR")


def binary_popcount() -> ir.Model:
    return hardware_layer([[1, 0], [0, 1], [1, 0]], input_type="BINARY", weight_type="BINARY", binaryXnorMode=1)


def away_from_zero(stream: Streams, shape: tuple[int, ...]) -> str:
    """Return codes of which the first channel is 2 or 3, the second 3."""
    return stream.layer(
        "Thresholding",
        ["x", stream.constant([[-9, 0], [-9, -9]], "t", "INT5")],
        shape,
        "UINT2",
        NumChannels=2,
        ActVal=1,
        outputDataType="UINT2",
    )


def cancelling() -> ir.Model:
    stream = Streams((1, 1, 1, 2), "INT4")
    codes = away_from_zero(stream, (1, 1, 1, 2))
    return stream.done(unit("MVAU", stream, codes, [[-3], [2]], "INT3", inputDataType="UINT2"))


def padded(op_type: str) -> ir.Model:
    stream = Streams((1, 2, 2, 2), "INT4")
    codes = away_from_zero(stream, (1, 2, 2, 2))
    around = stream.layer("FMPadding", [codes], (1, 4, 4, 2), "UINT2", ImgDim=[2, 2], Padding=[1, 1, 1, 1])
    taps = windows(stream, around, 4, 2, 3, 2)
    weights = RNG.integers(-3, 4, (2, 1, 3, 3)) if op_type == "VVAU" else RNG.integers(-3, 4, (18, 3))
    places = {"Dim": [2, 2]} if op_type == "VVAU" else {"numInputVectors": [1, 2, 2]}
    y = unit(op_type, stream, taps, weights, "INT3", inputDataType="UINT2", **places)
    stream.shapes[y] = (1, 2, 2, 2 if op_type == "VVAU" else 3)
    return stream.done(y)


def transposed() -> ir.Model:
    stream = Streams((1, 2, 2, 1), "UINT2")
    spread = stream.layer("FMPadding_Pixel", ["x"], (1, 3, 3, 1), "UINT2", ImgDim=[2, 2], Stride=[2, 2], NumChannels=1)
    around = stream.layer("FMPadding", [spread], (1, 5, 5, 1), "UINT2", ImgDim=[3, 3], Padding=[1, 1, 1, 1])
    taps = windows(stream, around, 5, 1, 2, 4)
    y = unit("MVAU", stream, taps, [[1], [2], [-3], [4]], "INT4", inputDataType="UINT2", numInputVectors=[1, 4, 4])
    stream.shapes[y] = (1, 4, 4, 1)
    return stream.done(y)


def whole_image() -> ir.Model:
    """Return a fully connected layer that reads an image as one vector."""
    stream = Streams((1, 2, 1, 2), "INT4")
    codes = away_from_zero(stream, (1, 2, 1, 2))
    return stream.done(unit("MVAU", stream, codes, RNG.integers(-3, 4, (4, 2)), "INT3", inputDataType="UINT2"))


def residual() -> ir.Model:
    stream = Streams((1, 1, 1, 2), "INT4")
    codes = away_from_zero(stream, (1, 1, 1, 2))
    sums = unit("MVAU", stream, "x", [[1, -1], [0, 2]], "INT3", inputDataType="INT4")
    types = {"lhs_dtype": "UINT2", "rhs_dtype": "INT32", "out_dtype": "INT32"}
    return stream.done(stream.layer("ElementwiseSub", [codes, sums], (1, 1, 1, 2), "INT32", **types))


def hump() -> ir.Model:
    """Return the difference of two counts of one value, which rises and falls."""
    stream = Streams((1, 1, 1, 2), "INT4")
    options = {"NumChannels": 2, "outputDataType": "UINT2", "inputDataType": "INT4"}
    counts = [
        stream.layer(
            "Thresholding", ["x", stream.constant(rows, "t", "INT4")], (1, 1, 1, 2), "UINT2", ActVal=0, **options
        )
        for rows in ([[-5, -3, 0], [-4, 2, 2]], [[1, 3, 5], [3, 4, 6]])
    ]
    types = {"lhs_dtype": "UINT2", "rhs_dtype": "UINT2", "out_dtype": "INT32"}
    stream.nodes[-1].name = "second"
    difference = stream.layer("ElementwiseSub", counts, (1, 1, 1, 2), "INT32", **types)
    return stream.done(unit("MVAU", stream, difference, [[1, -1], [2, 1]], "INT3", inputDataType="INT32"))


def scaled() -> ir.Model:
    stream = Streams((1, 1, 1, 2), "INT4")
    types = {"lhs_dtype": "INT4", "rhs_dtype": "INT4", "out_dtype": "INT32"}
    factor = stream.constant([3, -2], "c", "INT4")
    return stream.done(stream.layer("ElementwiseMul", ["x", factor], (1, 1, 1, 2), "INT32", **types))


def pool(function: str) -> ir.Model:
    stream = Streams((1, 1, 1, 8), "INT3")
    types = {"InputDataType": "INT3", "OutputDataType": "INT3" if function == "QuantAvgPool" else "INT32"}
    options = {"Channels": 2, "KernelSize": [2, 2], "AccumBits": 32, "Size": 1, **types}
    return stream.done(stream.layer("Pool", ["x"], (1, 1, 1, 2), types["OutputDataType"], Function=function, **options))


def global_sum() -> ir.Model:
    stream = Streams((1, 3, 3, 2), "INT4")
    codes = away_from_zero(stream, (1, 3, 3, 2))
    shape = {"NumChannels": 2, "numInputVectors": [1, 3, 3]}
    return stream.done(stream.layer("GlobalAccPool", [codes], (1, 1, 1, 2), "INT32", inputDataType="UINT2", **shape))


ALL: dict[str, Callable[[], ir.Model]] = {
    "accumulating pool": lambda: pool("AccPool"),
    "averaging pool": lambda: pool("QuantAvgPool"),
    "binary popcount": binary_popcount,
    "cancelling": cancelling,
    "dense": dense,
    "global sum": global_sum,
    "hump": hump,
    "padded": lambda: padded("MVAU"),
    "padded depthwise": lambda: padded("VVAU"),
    "popcount": popcount,
    "residual": residual,
    "scaled": scaled,
    "transposed": transposed,
    "whole image": whole_image,
    "with thresholds": with_thresholds,
    "writable": writable,
}
