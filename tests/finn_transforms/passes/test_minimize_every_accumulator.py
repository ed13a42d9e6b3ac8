"""Accumulators other than those of a plain matrix-vector unit, against counting."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.passes import MinimizeAccumulators
from tests.support.graphs import array_of, attributes, copy_of, only
from tests.support.refusals import refusal_of
from tests.support.small import hardware_layer
from tests.support.streams import Streams, unit, windows


def minimized(model: ir.Model, **options: Any) -> ir.Model:
    stage = MinimizeAccumulators(byte_align_outputs=False, **options)
    assert stage(model).modified
    assert not stage(copy_of(model)).modified
    return model


def accumulators(model: ir.Model) -> list[str]:
    return [attributes(node)["accDataType"] for node in model.graph if "accDataType" in node.attributes]


@pytest.mark.parametrize("style", ["", "hls"])
@pytest.mark.parametrize("bits", [3, 4, 5])
def test_popcounts_reach_every_bit(style: str, bits: int) -> None:
    for weights, kind, mode in ((np.ones((bits, 1)), "BIPOLAR", 0), (np.zeros((bits, 1)), "BINARY", 1)):
        model = hardware_layer(weights, input_type=kind, weight_type=kind, binaryXnorMode=mode, style=style)
        minimized(model)
        # From no match to a match of every bit.
        assert accumulators(model) == [f"UINT{bits.bit_length()}"]


def test_popcount_of_an_input_that_never_changes() -> None:
    stream = Streams((1, 1, 1, 2), "INT3")
    bits = stream.layer(
        "Thresholding",
        ["x", stream.constant([[-4], [0]], "t", "INT4")],
        (1, 1, 1, 2),
        "BIPOLAR",
        inputDataType="INT3",
        outputDataType="BIPOLAR",
        NumChannels=2,
    )
    y = unit("MVAU", stream, bits, [[-1], [1]], "BIPOLAR", inputDataType="BIPOLAR")
    assert accumulators(minimized(stream.done(y))) == ["BINARY"]


def test_popcounts_keep_their_thresholds() -> None:
    model = hardware_layer(
        np.ones((3, 1)), input_type="BIPOLAR", weight_type="BIPOLAR", thresholds=[[2]], output_type="BINARY"
    )
    minimized(model)
    assert accumulators(model) == ["UINT2"]
    np.testing.assert_array_equal(array_of(only(model, "MVAU").inputs[2]), [[2]])


def test_thresholds_inside_a_unit_have_the_type_of_its_accumulator() -> None:
    """FINN's HLS unit adds up in their type, so that a narrower one would cut sums off."""
    model = hardware_layer(
        [[3], [-2], [1]], input_type="UINT4", weight_type="INT3", thresholds=[[-1, 0, 2]], output_type="UINT2"
    )
    minimized(model)
    assert accumulators(model) == ["INT7"]
    assert integer_datatype(only(model, "MVAU").inputs[2]).name == "INT7"


DEPTHWISE = np.array([[[[3, -1], [0, 2]]], [[[-2, -2], [1, 0]]]])


def test_depthwise_units() -> None:
    stream = Streams((1, 1, 1, 8), "UINT2")
    model = minimized(stream.done(unit("VVAU", stream, "x", DEPTHWISE, "INT3", inputDataType="UINT2")))
    # From 3 * -4 to 3 * 5.
    assert accumulators(model) == ["INT5"]
    (value,) = model.graph.outputs
    box = integer_ranges(model)[value]
    assert (list(box.low.flat), list(box.high.flat)) == ([-3, -12], [15, 3])


def test_depthwise_units_read_their_own_channel() -> None:
    """The second channel is never more than 0, and the stream has the channels innermost."""
    stream = Streams((1, 2, 2, 2), "UINT2")
    thresholds = stream.constant([[1, 2, 3], [9, 9, 9]], "t", "UINT4")
    quantized = stream.layer(
        "Thresholding", ["x", thresholds], (1, 2, 2, 2), "UINT2", NumChannels=2, ActVal=0, outputDataType="UINT2"
    )
    windows = stream.layer(
        "ConvolutionInputGenerator",
        [quantized],
        (1, 1, 1, 8),
        "UINT2",
        ConvKernelDim=[2, 2],
        IFMDim=[2, 2],
        IFMChannels=2,
        OFMDim=[1, 1],
        Stride=[1, 1],
        Dilation=[1, 1],
        depthwise=1,
    )
    model = minimized(stream.done(unit("VVAU", stream, windows, DEPTHWISE, "INT3", inputDataType="UINT2")))
    # The first channel alone: from -3 to 15.
    assert accumulators(model) == ["INT5"]
    box = integer_ranges(model)[model.graph.outputs[0]]
    assert (list(box.low.flat), list(box.high.flat)) == ([-3, 0], [15, 0])


def test_writable_weights_of_a_depthwise_unit() -> None:
    stream = Streams((1, 1, 1, 8), "UINT2")
    options = {"inputDataType": "UINT2", "runtime_writeable_weights": 1}
    model = minimized(stream.done(unit("VVAU", stream, "x", np.zeros((2, 1, 2, 2)), "INT3", **options)))
    # Four products of 3 * -4 at least.
    assert accumulators(model) == ["INT7"]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[0], [0]], "BINARY"),
        ([[-1], [0]], "INT3"),
        ([[0], [1]], "UINT2"),
        ([[0, 2], [0, -1]], "INT4"),
    ],
)
def test_few_weights(matrix: list[list[int]], expected: str) -> None:
    kind = "INT3"
    model = hardware_layer(matrix, input_type="UINT2", weight_type=kind)
    assert accumulators(minimized(model)) == [expected]


def test_only_the_final_sum_when_it_may_wrap() -> None:
    """The weights cancel: 3 * x - 3 * x is 0 at the end where both inputs are one and the same constant."""
    stream = Streams((1, 1, 1, 2), "INT4")
    ones = stream.layer(
        "Thresholding",
        ["x", stream.constant([[-9, 0], [-9, -9]], "t", "INT5")],
        (1, 1, 1, 2),
        "UINT2",
        NumChannels=2,
        ActVal=1,
        outputDataType="UINT2",
    )
    y = unit("MVAU", stream, ones, [[-3], [2]], "INT3", inputDataType="UINT2")
    model = stream.done(y)
    # Inputs 2 to 3 and 3: final sums from -9 + 6 to -6 + 6, partial ones from -9 to 6.
    assert accumulators(minimized(copy_of(model))) == ["INT5"]
    wrapped = minimized(copy_of(model), overflow="wrap")
    assert accumulators(wrapped) == ["INT3"]
    node = only(wrapped, "MVAU")
    assert node.metadata_props["finn_transforms.overflow"] == "wrap"
    back = MinimizeAccumulators(byte_align_outputs=False)
    assert back(wrapped).modified
    assert accumulators(wrapped) == ["INT5"]
    assert "finn_transforms.overflow" not in node.metadata_props


def test_every_order_by_brute_force() -> None:
    weights = np.array([[2, -3], [-1, 1], [3, 0]])
    model = hardware_layer(weights, input_type="INT2", weight_type="INT3")
    sums = [
        sum(weights[tap, channel] * x[tap] for tap in chosen)
        for channel in range(2)
        for x in product(range(-2, 2), repeat=3)
        for size in range(4)
        for chosen in combinations(range(3), size)
    ]
    lowest, highest = min(sums), max(sums)
    minimized(model)
    bits = int(accumulators(model)[0].removeprefix("INT"))
    assert -(2 ** (bits - 1)) <= lowest <= highest < 2 ** (bits - 1)
    assert not -(2 ** (bits - 2)) <= lowest <= highest < 2 ** (bits - 2)


def test_options_that_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="overflow: expected 'any_order' with bound 'weights'"):
        MinimizeAccumulators("weights", overflow="wrap")
    with pytest.raises(ValueError, match=r"overflow: expected one of \('any_order', 'wrap'\), got 'saturate'"):
        MinimizeAccumulators(overflow="saturate")  # type: ignore[arg-type]


def elementwise(op_type: str, constant: Any) -> ir.Model:
    stream = Streams((1, 1, 1, 2), "UINT3")
    y = stream.layer(
        op_type,
        ["x", stream.constant(constant, "c", "INT4")],
        (1, 1, 1, 2),
        "INT32",
        lhs_dtype="UINT3",
        rhs_dtype="INT4",
        out_dtype="INT32",
        lhs_shape=[1, 1, 1, 2],
        rhs_shape=[2],
        out_shape=[1, 1, 1, 2],
    )
    return stream.done(y)


@pytest.mark.parametrize(
    ("op_type", "constant", "expected"),
    [
        ("ElementwiseAdd", [1, -2], "INT5"),
        ("ElementwiseAdd", [0, 1], "UINT4"),
        ("ElementwiseSub", [-1, -8], "UINT4"),
        ("ElementwiseMul", [1, -1], "INT4"),
        ("ElementwiseMul", [2, 0], "UINT4"),
    ],
)
def test_element_by_element(op_type: str, constant: list[int], expected: str) -> None:
    model = minimized(elementwise(op_type, constant))
    node = only(model, op_type)
    assert attributes(node)["out_dtype"] == expected


def test_residual_sums_follow_their_branches() -> None:
    """Both branches of a duplicated accumulator get its type, and the sum the exact one."""
    stream = Streams((1, 1, 1, 2), "UINT2")
    sums = unit("MVAU", stream, "x", [[1, 1], [-1, 2]], "INT3", inputDataType="UINT2")
    twice = stream.fresh("twice")
    stream.shapes[twice] = (1, 1, 1, 2)
    stream.datatypes[twice] = "INT32"
    copied = stream.layer(
        "DuplicateStreams", [sums], (1, 1, 1, 2), "INT32", NumChannels=2, NumOutputStreams=2, inputDataType="INT32"
    )
    stream.nodes[-1].output.append(twice)
    y = stream.layer(
        "ElementwiseAdd",
        [copied, twice],
        (1, 1, 1, 2),
        "INT32",
        lhs_dtype="INT32",
        rhs_dtype="INT32",
        out_dtype="INT32",
    )
    model = minimized(stream.done(y))
    found = attributes(only(model, "ElementwiseAdd"))
    # One branch from -3 to 9; the analysis takes the two as independent.
    assert (found["lhs_dtype"], found["rhs_dtype"], found["out_dtype"]) == ("INT5", "INT5", "INT6")
    assert attributes(only(model, "DuplicateStreams"))["inputDataType"] == "INT5"


def test_pools_that_add() -> None:
    stream = Streams((1, 1, 1, 8), "UINT3")
    quantized = {"Channels": 2, "KernelSize": [2, 2], "AccumBits": 32, "InputDataType": "UINT3", "Size": 2}
    y = stream.layer("Pool", ["x"], (1, 1, 1, 2), "UINT3", Function="QuantAvgPool", OutputDataType="UINT3", **quantized)
    model = minimized(stream.done(y))
    assert attributes(only(model, "Pool"))["AccumBits"] == 5
    assert integer_ranges(model)[model.graph.outputs[0]].hull.high == 28 >> 2
    stream = Streams((1, 1, 1, 8), "UINT3")
    y = stream.layer("Pool", ["x"], (1, 1, 1, 2), "INT32", Function="AccPool", OutputDataType="INT32", **quantized)
    assert attributes(only(minimized(stream.done(y)), "Pool"))["OutputDataType"] == "UINT5"


def test_global_sums_have_the_type_that_finn_derives() -> None:
    stream = Streams((1, 3, 3, 2), "UINT2")
    options = {"inputDataType": "UINT2", "numInputVectors": [1, 3, 3]}
    sums = unit("MVAU", stream, "x", [[1, -1], [1, 0]], "INT2", **options)
    stream.shapes[sums] = (1, 3, 3, 2)
    y = stream.layer(
        "GlobalAccPool", [sums], (1, 1, 1, 2), "INT36", NumChannels=2, inputDataType="INT32", numInputVectors=[1, 3, 3]
    )
    model = minimized(stream.done(y))
    pool = only(model, "GlobalAccPool")
    assert attributes(pool)["inputDataType"] == "INT4"
    # 9 * -8.
    assert model.graph.outputs[0].meta["quant_parameter_tensor_names"]["finn_datatype"] == "INT8"
    box = integer_ranges(model)[pool.outputs[0]]
    assert (list(box.low.flat), list(box.high.flat)) == ([0, -27], [54, 0])


def test_joined_streams_have_the_type_that_finn_derives() -> None:
    stream = Streams((1, 1, 1, 2), "UINT2")
    first = unit("MVAU", stream, "x", [[1], [1]], "INT2", inputDataType="UINT2")
    second = unit("MVAU", stream, "x", [[-1], [0]], "INT2", inputDataType="UINT2")
    y = stream.layer(
        "StreamingConcat",
        [first, second],
        (1, 1, 1, 2),
        "INT32",
        ChannelsPerStream=[1, 1],
        inputDataTypes=["INT32", "INT32"],
    )
    model = minimized(stream.done(y))
    assert attributes(only(model, "StreamingConcat"))["inputDataTypes"] == ("UINT3", "INT3")
    assert model.graph.outputs[0].meta["quant_parameter_tensor_names"]["finn_datatype"] == "INT4"
    box = integer_ranges(model)[model.graph.outputs[0]]
    assert (list(box.low.flat), list(box.high.flat)) == ([0, -3], [6, 0])


def test_a_pool_that_reads_its_shift_from_the_type_fixes_it() -> None:
    stream = Streams((1, 1, 1, 2), "UINT2")
    sums = unit("MVAU", stream, "x", [[1, 1], [1, 1]], "INT2", inputDataType="UINT2")
    y = stream.layer(
        "Pool",
        [sums],
        (1, 1, 1, 2),
        "INT3",
        Function="QuantAvgPool",
        Channels=2,
        KernelSize=[1, 1],
        InputDataType="INT32",
        OutputDataType="INT3",
    )
    reason, _ = refusal_of(MinimizeAccumulators(), stream.done(y), "MVAU")
    assert "takes the number of bits it drops from the data type it reads" in reason


def test_taps_that_never_meet_are_not_added_up() -> None:
    """A transposed convolution of stride 2: of its 2 x 2 taps, only one at a time reads data."""
    stream = Streams((1, 2, 2, 1), "UINT2")
    spread = stream.layer("FMPadding_Pixel", ["x"], (1, 3, 3, 1), "UINT2", ImgDim=[2, 2], Stride=[2, 2], NumChannels=1)
    padded = stream.layer("FMPadding", [spread], (1, 5, 5, 1), "UINT2", ImgDim=[3, 3], Padding=[1, 1, 1, 1])
    taps = windows(stream, padded, 5, 1, 2, 4)
    y = unit("MVAU", stream, taps, [[1], [2], [-3], [4]], "INT4", inputDataType="UINT2")
    stream.shapes[y] = (1, 4, 4, 1)
    assert accumulators(minimized(stream.done(y))) == ["INT5"]


def test_taps_that_only_ever_read_padding() -> None:
    """A 3 x 3 window on a single pixel."""
    stream = Streams((1, 1, 1, 1), "UINT2")
    padded = stream.layer("FMPadding", ["x"], (1, 3, 3, 1), "UINT2", ImgDim=[1, 1], Padding=[1, 1, 1, 1])
    taps = windows(stream, padded, 3, 1, 3, 1)
    y = unit("MVAU", stream, taps, [[7]] * 4 + [[2]] + [[7]] * 4, "INT4", inputDataType="UINT2")
    assert accumulators(minimized(stream.done(y))) == ["UINT3"]
