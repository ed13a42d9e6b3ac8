"""Golden functions of hardware layers equal FINN's own execution of the same nodes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finn_transforms.ops import evaluate, evaluate_outputs
from tests.support.reference import in_finn

SIMD_OPERATORS = {
    "ConvolutionInputGenerator",
    "FMPadding",
    "FMPadding_Pixel",
    "StreamingConcat",
    "UpsampleNearestNeighbour",
}

RNG = np.random.default_rng(0)


def assert_equal_to_finn(op_type: str, inputs: list[Any], output_shape: tuple[int, ...], **attributes: Any) -> None:
    attributes = {"backend": "fpgadataflow", "PE": 1, "SIMD": 1, **attributes}
    if op_type in {"MVAU", "VVAU"}:
        unknown = []
    elif op_type in SIMD_OPERATORS:
        unknown = ["PE"]
    else:
        unknown = ["SIMD"]
    for name in unknown:
        del attributes[name]
    ours = evaluate(op_type, attributes, inputs)
    np.testing.assert_array_equal(ours.reshape(output_shape), in_finn(op_type, inputs, output_shape, **attributes))


@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (0, 2, 1, 0), (2, 0, 0, 3)])
def test_padding(pads: tuple[int, int, int, int]) -> None:
    x = RNG.integers(-8, 8, size=(1, 4, 5, 3))
    shape = (1, 4 + pads[0] + pads[2], 5 + pads[1] + pads[3], 3)
    assert_equal_to_finn(
        "FMPadding", [x], shape, ImgDim=[4, 5], Padding=list(pads), NumChannels=3, inputDataType="INT4"
    )


@pytest.mark.parametrize("depthwise", [0, 1])
@pytest.mark.parametrize(
    ("size", "kernel", "strides", "dilations"),
    [
        ((5, 6), (3, 2), (1, 1), (1, 1)),
        ((5, 6), (2, 3), (2, 1), (1, 2)),
        ((7, 7), (3, 3), (2, 3), (2, 2)),
        ((5, 6), (1, 1), (2, 2), (1, 1)),
        ((1, 6), (1, 3), (1, 2), (1, 1)),
        ((6, 1), (3, 1), (2, 1), (1, 1)),
    ],
)
def test_input_generator(
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    depthwise: int,
) -> None:
    x = RNG.integers(-8, 8, size=(1, *size, 2))
    output = [
        (s - d * (k - 1) - 1) // stride + 1 for s, k, stride, d in zip(size, kernel, strides, dilations, strict=True)
    ]
    assert_equal_to_finn(
        "ConvolutionInputGenerator",
        [x],
        (1, *output, kernel[0] * kernel[1] * 2),
        ConvKernelDim=list(kernel),
        IFMChannels=2,
        IFMDim=list(size),
        OFMDim=output,
        Stride=list(strides),
        Dilation=list(dilations),
        inputDataType="INT4",
        outputDataType="INT4",
        depthwise=depthwise,
        is1D=int(1 in size),
    )


@pytest.mark.parametrize(
    ("shape", "vectors"),
    [((1, 6), (1,)), ((3, 6), (3,)), ((1, 2, 3, 6), (1, 2, 3)), ((1, 1, 2, 3), (1,)), ((1, 1, 1, 6), (1,))],
)
@pytest.mark.parametrize("activation", [None, "INT3", "BIPOLAR"])
def test_matrix_vector_unit(shape: tuple[int, ...], vectors: tuple[int, ...], activation: str | None) -> None:
    """The last two shapes are images that are read as one vector."""
    matrix = RNG.integers(-3, 4, size=(6, 4))
    inputs = [RNG.integers(-4, 4, size=shape), matrix]
    if activation is not None:
        steps = 1 if activation == "BIPOLAR" else 7
        inputs.append(np.sort(RNG.integers(-30, 30, size=(4, steps)), axis=1))
    assert_equal_to_finn(
        "MVAU",
        inputs,
        (*vectors, 4),
        MW=6,
        MH=4,
        numInputVectors=list(vectors),
        inputDataType="INT3",
        weightDataType="INT3",
        outputDataType=activation or "INT32",
        noActivation=int(activation is None),
        ActVal=-4 if activation == "INT3" else 0,
    )


@settings(max_examples=25)
@given(
    shape=st.sampled_from([(5, 3), (1, 2, 2, 3)]),
    shared=st.booleans(),
    steps=st.integers(1, 7),
    bias=st.integers(-4, 0),
    seed=st.integers(0, 2**32 - 1),
)
def test_thresholding(shape: tuple[int, ...], shared: bool, steps: int, bias: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    thresholds = np.sort(rng.integers(-10, 10, size=(1 if shared else 3, steps)), axis=1)
    assert_equal_to_finn(
        "Thresholding",
        [rng.integers(-10, 10, size=shape), thresholds],
        shape,
        NumChannels=3,
        numSteps=steps,
        inputDataType="INT8",
        weightDataType="INT8",
        outputDataType="INT4",
        numInputVectors=list(shape[:-1]),
        ActVal=bias,
    )


def test_bipolar_thresholding() -> None:
    assert_equal_to_finn(
        "Thresholding",
        [RNG.integers(-4, 4, size=(6, 2)), np.array([[0], [2]])],
        (6, 2),
        NumChannels=2,
        numSteps=1,
        inputDataType="INT3",
        weightDataType="INT3",
        outputDataType="BIPOLAR",
        numInputVectors=[6],
    )


def test_pool() -> None:
    assert_equal_to_finn(
        "Pool",
        [RNG.integers(-8, 8, size=(1, 3, 2, 2 * 3 * 4))],
        (1, 3, 2, 4),
        Channels=4,
        KernelSize=[2, 3],
        Function="MaxPool",
        OutImgDims=[3, 2],
        InputDataType="INT4",
        OutputDataType="INT4",
    )


@pytest.mark.parametrize("function", ["AccPool", "AvgPool", "QuantAvgPool"])
def test_other_pools(function: str) -> None:
    # Four elements, so that their mean is no rounded number.
    assert_equal_to_finn(
        "Pool",
        [RNG.integers(0, 16, size=(1, 3, 2, 2 * 2 * 4))],
        (1, 3, 2, 4),
        Channels=4,
        KernelSize=[2, 2],
        Function=function,
        OutImgDims=[3, 2],
        InputDataType="UINT4",
        OutputDataType="UINT4",
    )


def test_unknown_pools_are_not_taken_for_maxima() -> None:
    with pytest.raises(ValueError, match=r"Pool: expected one of FINN's functions, e.g. 'MaxPool', got 'Median'"):
        evaluate("Pool", {"Function": "Median", "Channels": 1}, [np.zeros((1, 1, 1, 4))])


@pytest.mark.parametrize("kind", ["BIPOLAR", "BINARY"])
@pytest.mark.parametrize("thresholds", [None, 3])
def test_equal_bits_are_counted(kind: str, thresholds: int | None) -> None:
    low = -1 if kind == "BIPOLAR" else 0
    inputs = [RNG.choice([low, 1], size=(5, 7)), RNG.choice([low, 1], size=(7, 4))]
    if thresholds is not None:
        inputs.append(np.sort(RNG.integers(0, 8, size=(4, thresholds)), axis=1))
    assert_equal_to_finn(
        "MVAU",
        inputs,
        (5, 4),
        MW=7,
        MH=4,
        numInputVectors=[5],
        inputDataType=kind,
        weightDataType=kind,
        outputDataType="UINT3",
        binaryXnorMode=int(kind == "BINARY"),
        noActivation=int(thresholds is None),
    )


@pytest.mark.parametrize("kinds", [("INT4", "INT3"), ("BIPOLAR", "INT3"), ("INT4", "BIPOLAR"), ("BIPOLAR", "BIPOLAR")])
@pytest.mark.parametrize("steps", [None, 3])
def test_vector_vector_unit(kinds: tuple[str, str], steps: int | None) -> None:
    def draw(kind: str, *shape: int) -> Any:
        return RNG.choice([-1, 1], size=shape) if kind == "BIPOLAR" else RNG.integers(-4, 4, size=shape)

    inputs = [draw(kinds[0], 1, 3, 4, 2 * 3 * 5), draw(kinds[1], 5, 1, 2, 3)]
    if steps is not None:
        inputs.append(np.sort(RNG.integers(-8, 8, size=(5, steps)), axis=1))
    # With all channels at once FINN's own execution reads the windows as they are.
    assert_equal_to_finn(
        "VVAU",
        inputs,
        (1, 3, 4, 5),
        PE=5,
        Dim=[3, 4],
        Channels=5,
        Kernel=[2, 3],
        inputDataType=kinds[0],
        weightDataType=kinds[1],
        outputDataType="INT8",
        noActivation=int(steps is None),
    )


@pytest.mark.parametrize("stride", [(1, 2), (3, 2)])
def test_pixel_padding(stride: tuple[int, int]) -> None:
    shape = (1, 3 * stride[0] + 1, 4 * stride[1] + 1, 3)
    assert_equal_to_finn(
        "FMPadding_Pixel",
        [RNG.integers(-8, 8, size=(1, 4, 5, 3))],
        shape,
        ImgDim=[4, 5],
        Stride=list(stride),
        NumChannels=3,
        inputDataType="INT4",
    )


@pytest.mark.parametrize("operation", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("other", [(1, 3, 4, 5), (1, 1, 1, 5), (1,)])
def test_elementwise(operation: str, other: tuple[int, ...]) -> None:
    shape = (1, 3, 4, 5)
    assert_equal_to_finn(
        f"Elementwise{operation}",
        [RNG.integers(-8, 8, size=shape), RNG.integers(-8, 8, size=other)],
        shape,
        lhs_shape=list(shape),
        rhs_shape=list(other),
        out_shape=list(shape),
        lhs_dtype="INT4",
        rhs_dtype="INT4",
        out_dtype="INT8",
        rhs_style="const",
    )


def test_concat() -> None:
    streams = [RNG.integers(-8, 8, size=(1, 2, 3, channels)) for channels in (1, 4, 2)]
    assert_equal_to_finn(
        "StreamingConcat",
        streams,
        (1, 2, 3, 7),
        ChannelsPerStream=[1, 4, 2],
        inputDataTypes=["INT4"] * 3,
        numInputVectors=[1, 2, 3],
    )


def test_split_and_duplicates() -> None:
    x = RNG.integers(-8, 8, size=(1, 2, 3, 7))
    parts = evaluate_outputs("StreamingSplit", {"ChannelsPerStream": [1, 4, 2]}, [x], 3)
    assert [part.shape[-1] for part in parts] == [1, 4, 2]
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), x)
    copies = evaluate_outputs("DuplicateStreams", {}, [x], 3)
    assert len(copies) == 3
    assert all(np.array_equal(copy, x) for copy in copies)


def test_upsampling() -> None:
    assert_equal_to_finn(
        "UpsampleNearestNeighbour",
        [RNG.integers(-8, 8, size=(1, 2, 3, 4))],
        (1, 6, 6, 4),
        HI=2,
        WI=3,
        HO=6,
        WO=6,
        NumChannels=4,
        inputDataType="INT4",
    )


def test_global_accumulation() -> None:
    assert_equal_to_finn(
        "GlobalAccPool",
        [RNG.integers(-8, 8, size=(1, 4, 3, 5))],
        (1, 1, 1, 5),
        NumChannels=5,
        inputDataType="INT4",
        numInputVectors=[1, 4, 3],
    )


def test_labels() -> None:
    assert_equal_to_finn(
        "LabelSelect",
        [np.array([[3, 7, -1, 7, 0]])],
        (1, 3),
        Labels=5,
        K=3,
        inputDataType="INT4",
        outputDataType="UINT8",
    )


def test_batches_go_through_every_layer() -> None:
    """A graph for one image describes one; leading images are independent."""
    images = RNG.integers(0, 8, size=(5, 4, 4, 2))
    steps: list[tuple[str, dict[str, Any], list[Any]]] = [
        ("FMPadding", {"Padding": [1, 0, 0, 1]}, []),
        ("ConvolutionInputGenerator", {"ConvKernelDim": [2, 2], "Stride": [1, 1], "Dilation": [1, 1]}, []),
        ("MVAU", {"MW": 8, "numInputVectors": [1, 4, 4]}, [RNG.integers(-2, 3, size=(8, 3))]),
        ("Thresholding", {"ActVal": -1}, [np.array([[-3, 0, 2]] * 3)]),
        ("MVAU", {"MW": 48, "numInputVectors": [1]}, [RNG.integers(-2, 3, size=(48, 2))]),
    ]

    def run(x: Any) -> Any:
        for op_type, attributes, others in steps:
            x = evaluate(op_type, attributes, [x, *others])
        return x

    np.testing.assert_array_equal(run(images), np.concatenate([run(image[None]) for image in images]))
