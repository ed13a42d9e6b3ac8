"""Sums, concatenations, splits, paddings and resizes of integers become FINN's layers, with the same integers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.analysis.datatypes import datatype
from finn_transforms.emulate import emulate
from finn_transforms.passes import (
    CancelTransposes,
    InferConcat,
    InferElementwise,
    InferGlobalAccPool,
    InferPadding,
    InferSplit,
    InferUpsample,
    InsertDuplicateStreams,
)
from finn_transforms.passes._base import HardwarePass
from tests.support.graphs import GraphBuilder, attributes, copy_of, only, op_types
from tests.support.refusals import refusal_of
from tests.support.stages import assert_finn_agrees, assert_finn_specializes

RNG = np.random.default_rng(0)
Build = Callable[[GraphBuilder], Any]


def model_of(build: Build, shape: tuple[int, ...] = (1, 4, 3, 5), kind: str | None = "INT4") -> ir.Model:
    graph = GraphBuilder(shape)
    if kind is not None:
        graph.datatypes["x"] = kind
    outputs = build(graph)
    return graph.model(*([outputs] if isinstance(outputs, str) else outputs))


def add(graph: GraphBuilder, other: Any, *, kind: str = "INT4", op_type: str = "Add", swap: bool = False) -> str:
    operands = ["x", graph.constant(other, "c", kind)]
    return graph.node(op_type, operands[::-1] if swap else operands, datatype="INT9")


def split(graph: GraphBuilder, sizes: list[int], *, axis: int = 1) -> list[str]:
    outputs = [graph.fresh("part") for _ in sizes]
    node = graph.node("Split", ["x", graph.integers(sizes)], axis=axis)
    graph.nodes[-1].output[:] = outputs
    graph.datatypes.pop(node, None)
    for output in outputs:
        graph.datatypes[output] = "INT4"
    return outputs


def slices(graph: GraphBuilder, *ranges: tuple[int, int], axis: int = 1) -> list[str]:
    return [
        graph.node("Slice", ["x", *(graph.integers([each]) for each in (start, end, axis))], datatype="INT4")
        for start, end in ranges
    ]


def resize(graph: GraphBuilder, *scales: float, **options: Any) -> str:
    attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.node("Resize", ["x", "", graph.constant(scales)], datatype="INT4", **{**attributes, **options})


def pad(graph: GraphBuilder, *pads: int, value: float | None = None, **options: Any) -> str:
    others = [] if value is None else [graph.constant(value)]
    return graph.node("Pad", ["x", graph.integers(pads), *others], datatype="INT4", **options)


def total(graph: GraphBuilder, *axes: int, **options: Any) -> str:
    return graph.node("ReduceSum", ["x", graph.integers(axes)], datatype="INT32", **options)


PER_CHANNEL = np.array([-3, 0, 5, 7]).reshape(1, 4, 1, 1)

LOWERED: list[tuple[type[HardwarePass], Build, str, int]] = [
    (InferElementwise, lambda g: g.node("Add", ["x", "x"], datatype="INT5"), "ElementwiseAdd", 1),
    (InferElementwise, lambda g: g.node("Sub", ["x", "x"], datatype="INT5"), "ElementwiseSub", 1),
    (InferElementwise, lambda g: g.node("Mul", ["x", "x"], datatype="INT8"), "ElementwiseMul", 1),
    (InferElementwise, lambda g: add(g, PER_CHANNEL), "ElementwiseAdd", 1),
    (InferElementwise, lambda g: add(g, PER_CHANNEL[0], op_type="Mul"), "ElementwiseMul", 1),
    (InferElementwise, lambda g: add(g, 3, op_type="Mul", kind="UINT2", swap=True), "ElementwiseMul", 1),
    (InferElementwise, lambda g: add(g, PER_CHANNEL, op_type="Sub", swap=True), "ElementwiseSub", 1),
    (InferConcat, lambda g: g.node("Concat", ["x", "x"], axis=1, datatype="INT4"), "StreamingConcat", 1),
    (InferConcat, lambda g: g.node("Concat", ["x", "x"], axis=-3, datatype="INT4"), "StreamingConcat", 1),
    (InferSplit, lambda g: split(g, [1, 3]), "StreamingSplit", 1),
    (InferSplit, lambda g: split(g, [2, 2]), "StreamingSplit", 1),
    (InferSplit, lambda g: slices(g, (0, 2), (2, 4)), "StreamingSplit", 1),
    (InferSplit, lambda g: slices(g, (-2, 4), (0, 2)), "StreamingSplit", 1),
    (InferUpsample, lambda g: resize(g, 1, 1, 2, 2), "UpsampleNearestNeighbour", 1),
    (InferUpsample, lambda g: resize(g, 1, 1, 3, 1), "UpsampleNearestNeighbour", 1),
    (
        InferUpsample,
        lambda g: resize(g, 1, 1, 3, 2, coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_ceil"),
        "UpsampleNearestNeighbour",
        1,
    ),
    (InferPadding, lambda g: pad(g, 0, 0, 1, 2, 0, 0, 0, 1), "FMPadding", 1),
    (InferPadding, lambda g: pad(g, 0, 0, 1, 1, 0, 0, 1, 1, value=0.0), "FMPadding", 1),
    (InferGlobalAccPool, lambda g: total(g, 2, 3), "Pool", 1),
    (InferGlobalAccPool, lambda g: total(g, -1, -2), "Pool", 1),
]


@pytest.mark.parametrize(("stage", "build", "op_type", "count"), LOWERED)
def test_same_integers_as_before_and_in_finn(stage: type[HardwarePass], build: Build, op_type: str, count: int) -> None:
    model = model_of(build)
    reference = copy_of(model)
    result = stage()(model)
    assert len(result.rewrites) == count
    assert not result.refusals
    CancelTransposes()(model)
    InsertDuplicateStreams()(model)
    assert op_types(model).count(op_type) == count
    x = {"x": RNG.integers(-8, 8, size=(3, 4, 3, 5))}
    expected, found = emulate(reference, x), emulate(model, x)
    for value in reference.graph.outputs:
        np.testing.assert_array_equal(found[str(value.name)], expected[str(value.name)])
    assert assert_finn_agrees(model, x["x"][:1]) >= 2
    # FINN's own shape inference takes the parts of a split for equal.
    if len(set(attributes(only(model, op_type)).get("ChannelsPerStream", [0]))) == 1:
        assert_finn_specializes(model)
    assert not stage()(model).modified


@pytest.mark.parametrize(("stage", "build", "op_type", "count"), LOWERED)
def test_floats_are_none_of_their_business(stage: type[HardwarePass], build: Build, op_type: str, count: int) -> None:
    graph = GraphBuilder((1, 4, 3, 5))
    outputs = build(graph)
    graph.datatypes.clear()
    model = graph.model(*([outputs] if isinstance(outputs, str) else outputs))
    result = stage()(model)
    assert (result.rewrites, result.refusals) == ([], [])
    assert (op_type, count) not in {(kind, op_types(model).count(kind)) for kind in op_types(model)}


@pytest.mark.parametrize("stage", [InferElementwise, InferConcat, InferSplit])
def test_vectors_need_no_transpose(stage: type[HardwarePass]) -> None:
    builds: dict[type[HardwarePass], Build] = {
        InferElementwise: lambda g: add(g, [1, 2, 3, 4]),
        InferConcat: lambda g: g.node("Concat", ["x", "x"], axis=1, datatype="INT4"),
        InferSplit: lambda g: split(g, [3, 1]),
    }
    model = model_of(builds[stage], (1, 4))
    reference = copy_of(model)
    stage()(model)
    assert "Transpose" not in op_types(model)
    x = {"x": RNG.integers(-8, 8, size=(3, 4))}
    for value in reference.graph.outputs:
        name = str(value.name)
        np.testing.assert_array_equal(emulate(model, x)[name], emulate(reference, x)[name])


def test_concat_takes_the_narrowest_type_of_all() -> None:
    graph = GraphBuilder((1, 2, 3, 3))
    graph.datatypes["x"] = "UINT4"
    other = graph.node("Add", ["x", graph.constant(1, "c", "UINT1")], datatype="INT6")
    concat = graph.node("Concat", ["x", other], axis=1, datatype="INT32")
    model = graph.model(graph.node("Relu", [concat]))
    InferElementwise()(model)
    InferConcat()(model)
    CancelTransposes()(model)
    unit = only(model, "StreamingConcat")
    assert attributes(unit)["inputDataTypes"] == ("UINT4", "INT6")
    assert datatype(unit.outputs[0]).name == "INT6"


def test_sum_of_pixels_has_the_type_finn_gives_it() -> None:
    model = model_of(lambda g: total(g, 2, 3), (1, 4, 4, 4), kind="UINT3")
    reference = copy_of(model)
    InferGlobalAccPool()(model)
    # 16 pixels of up to 7.
    assert datatype(only(model, "GlobalAccPool").outputs[0]).name == "UINT7"
    x = {"x": RNG.integers(0, 8, size=(3, 4, 4, 4))}
    (output,) = (str(value.name) for value in model.graph.outputs)
    np.testing.assert_array_equal(emulate(model, x)[output], emulate(reference, x)[output])
    assert assert_finn_agrees(model, x["x"][:1]) >= 2
    assert_finn_specializes(model)


REFUSED: list[tuple[type[HardwarePass], Build, tuple[int, ...], str, str]] = [
    (
        InferElementwise,
        lambda g: g.node("Add", ["x", total(g, 2, 3)], datatype="INT32"),
        (1, 4, 3, 5),
        "it combines (1, 4, 1, 1) to (1, 4, 3, 5)",
        "Give both operands the same shape; FINN's layer does not repeat a stream",
    ),
    (
        InferElementwise,
        lambda g: g.node("Add", ["x", "x"], datatype="INT5"),
        (2, 4),
        "its batch size is 2",
        "Export with an example of batch size 1",
    ),
    (
        InferConcat,
        lambda g: g.node("Concat", ["x", "x"], axis=2, datatype="INT4"),
        (1, 4, 3, 5),
        "it concatenates along axis 2",
        "Concatenate channels, axis 1",
    ),
    (
        InferConcat,
        lambda g: g.node("Concat", ["x", g.constant(np.ones((1, 1, 3, 5)), "c", "INT2")], axis=1, datatype="INT4"),
        (1, 4, 3, 5),
        "'c1' is no stream of integers",
        "Quantize every part of the concatenation",
    ),
    (
        InferConcat,
        lambda g: g.node("Concat", ["x", "x"], axis=1, datatype="INT4"),
        (1, 4, 3),
        "it works on a tensor with 3 dimensions",
        "Use images (1, C, H, W) or vectors (1, C)",
    ),
    (InferSplit, lambda g: split(g, [1, 2], axis=2), (1, 4, 3, 5), "it splits axis 2", "Split channels, axis 1"),
    (
        InferSplit,
        lambda g: split(g, [1, 3])[:1],
        (1, 4, 3, 5),
        "nothing reads a part of it",
        "Leave out the channels that are not used",
    ),
    (
        InferSplit,
        lambda g: g.node("Slice", ["x", *(g.integers([each]) for each in (-1, -9, 3, -1))], datatype="INT4"),
        (1, 4, 3, 5),
        "it slices more than channels",
        "Slice axis 1 only",
    ),
    (
        InferSplit,
        lambda g: slices(g, (0, 2)),
        (1, 4, 3, 5),
        "the slices of 'x' are not all of its channels, each once",
        "Use Split, or slices that share out all channels",
    ),
    (
        InferSplit,
        lambda g: slices(g, (0, 2), axis=2),
        (1, 4, 3, 5),
        "it slices more than channels",
        "Slice axis 1 only",
    ),
    (
        InferUpsample,
        lambda g: resize(g, 1, 1, 2, 2, mode="linear"),
        (1, 4, 3, 5),
        "Resize: expected mode 'nearest', got 'linear'",
        "Use mode 'nearest' with constant integer factors",
    ),
    (
        InferUpsample,
        lambda g: resize(g, 1, 1, 1.5, 2),
        (1, 4, 4, 5),
        "it does not repeat each pixel equally often, in its place",
        "Use integer factors and mode 'nearest' as torch.nn.Upsample exports it",
    ),
    (
        InferUpsample,
        lambda g: resize(g, 1, 1, 3, 3, nearest_mode="ceil"),
        (1, 4, 3, 5),
        "it does not repeat each pixel equally often, in its place",
        "Use integer factors and mode 'nearest' as torch.nn.Upsample exports it",
    ),
    (
        InferUpsample,
        lambda g: resize(g, 1, 2, 1, 1),
        (1, 4, 3, 5),
        "it resizes by [1, 2, 1, 1]",
        "Resize height and width only",
    ),
    (
        InferUpsample,
        lambda g: resize(g, 1, 1, 2),
        (1, 4, 3),
        "it resizes a tensor (1, 4, 3)",
        "Resize images (1, C, H, W)",
    ),
    (
        InferUpsample,
        lambda g: g.node("DepthToSpace", ["x"], blocksize=2, datatype="INT4"),
        (1, 4, 3, 5),
        "FINN has no layer that turns channels into pixels",
        "Use nearest upsampling instead",
    ),
    (
        InferPadding,
        lambda g: pad(g, 0, 1, 0, 0, 0, 0, 0, 0),
        (1, 4, 3, 5),
        "it pads by [0, 1, 0, 0, 0, 0, 0, 0]",
        "Pad height and width of images (1, C, H, W)",
    ),
    (
        InferPadding,
        lambda g: pad(g, 0, 0, -1, 0, 0, 0, 0, 0),
        (1, 4, 3, 5),
        "it pads by [0, 0, -1, 0, 0, 0, 0, 0]",
        "Pad height and width of images (1, C, H, W)",
    ),
    (
        InferPadding,
        lambda g: pad(g, 0, 0, 1, 1, 0, 0, 1, 1, value=3.0),
        (1, 4, 3, 5),
        "it pads with 3.0",
        "Pad with zeros",
    ),
    (
        InferPadding,
        lambda g: pad(g, 0, 0, 1, 1, 0, 0, 1, 1, mode="reflect"),
        (1, 4, 3, 5),
        "its mode is 'reflect'",
        "Pad with zeros",
    ),
    (
        InferGlobalAccPool,
        lambda g: total(g, 1),
        (1, 4, 3, 5),
        "it sums 4 dimensions over [1]",
        "Sum images (1, C, H, W) over axes 2 and 3",
    ),
    (
        InferGlobalAccPool,
        lambda g: total(g, 2, 3, keepdims=0),
        (1, 4, 3, 5),
        "it drops the dimensions it sums over",
        "Keep them, and flatten afterwards",
    ),
]


@pytest.mark.parametrize(
    ("stage", "build"),
    [
        (InferElementwise, lambda g: g.node("Add", ["x", "x"], datatype="INT3")),
        (InferConcat, lambda g: g.node("Concat", ["x", "x"], axis=1, datatype="INT2")),
        (InferGlobalAccPool, lambda g: total(g, 2, 3)),
    ],
)
def test_bits_are_no_numbers_to_these_layers(stage: type[HardwarePass], build: Build) -> None:
    model = model_of(build, kind="BIPOLAR")
    assert refusal_of(stage(), model, op_types(model)[-1]) == (
        "FINN's layer does not compute with bits that stand for -1 and 1",
        "Use an activation quantizer of two bits",
    )


def test_signs_as_constants_are_numbers() -> None:
    model = model_of(lambda g: add(g, np.sign(PER_CHANNEL - 0.5), op_type="Mul", kind="BIPOLAR"))
    InferElementwise()(model)
    assert attributes(only(model, "ElementwiseMul"))["rhs_dtype"] == "INT2"


@pytest.mark.parametrize(("stage", "build", "shape", "reason", "advice"), REFUSED)
def test_refused(stage: type[HardwarePass], build: Build, shape: tuple[int, ...], reason: str, advice: str) -> None:
    model = model_of(build, shape)
    before = op_types(model)
    op_type = next(kind for kind in reversed(before) if kind != "Constant")
    assert refusal_of(stage(), model, op_type) == (reason, advice)
    assert op_types(model) == before
