"""Random networks through the whole chain: every stage computes the same integers, and FINN's nodes agree."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.util.cleanup import cleanup_model

from brevitas_ext.arith import IntRange, dot_extremes
from brevitas_ext.export import export_qonnx
from brevitas_ext.export.tracing import Exporter
from brevitas_ext.qonnx_ops import METADATA_KEY, AccumulatorContract, LayerContract, channel_digests
from finn_transforms.analysis.ranges import hull, integer_ranges
from finn_transforms.analysis.weights import weight_rows
from finn_transforms.emulate import emulate
from finn_transforms.passes import ExtractIntegers, FoldShifts, InferShapes, lower_to_hardware
from tests.support.brevitas_networks import ROUNDINGS, brevitas_network
from tests.support.graphs import copy_of, op_types
from tests.support.networks import ActivationSpec, LayerSpec, NetworkSpec, images, networks, qonnx_network
from tests.support.stages import assert_every_stage_equal, assert_finn_agrees, input_name, stages

HOST = "its input is the graph's input, which is not an integer"


@settings(max_examples=40)
@given(spec=networks())
def test_every_stage_computes_the_same(spec: NetworkSpec) -> None:
    model = qonnx_network(spec)
    assert not ExtractIntegers()(model).refusals
    results = assert_every_stage_equal(model, images(spec))
    reasons = [refusal.reason for result in results for refusal in result.refusals]
    assert reasons == [HOST]


@settings(max_examples=12)
@given(spec=networks(max_size=4))
def test_finn_computes_the_same(spec: NetworkSpec) -> None:
    model = qonnx_network(spec)
    lower_to_hardware(model)
    # FINN has no unit that shifts.
    FoldShifts()(model)
    for image in images(spec, 3)[[0, -1]]:
        assert assert_finn_agrees(model, image[None]) >= len(spec.layers)


@settings(max_examples=15)
@given(spec=networks(), data=st.data())
def test_tight_promises_are_kept_by_every_stage_and_tighter_ones_by_none(
    spec: NetworkSpec, data: st.DataObject
) -> None:
    model = qonnx_network(spec)
    integers = copy_of(model)
    ExtractIntegers()(integers)
    promises = tight_promises(integers)
    model.metadata_props[METADATA_KEY] = AccumulatorContract(layers=tuple(promises)).to_json()
    broken = copy_of(model)
    lower_to_hardware(model)
    kept = [node for node in model.graph if METADATA_KEY in node.metadata_props]
    assert len(kept) == len(spec.layers)
    index = data.draw(st.integers(0, len(promises) - 1))
    # Two bits less hold neither end; one bit less may still hold the lowest value, which is a power of two.
    tighter = promises[index].accumulator_bits - 2
    assume(tighter > 0)
    promises[index] = replace(promises[index], accumulator_bits=tighter)
    broken.metadata_props[METADATA_KEY] = AccumulatorContract(layers=tuple(promises)).to_json()
    with pytest.raises(ValueError, match=f"Layer '{promises[index].layer}'"):
        lower_to_hardware(broken)


def tight_promises(model: ir.Model) -> list[LayerContract]:
    """Return, for each integer layer, the promise of the narrowest signed accumulator, on both signs of its weights."""
    ranges, promises = integer_ranges(model), []
    for node in model.graph:
        rows = weight_rows(node)
        if rows is None:
            continue
        source = node.inputs[0]
        assert source is not None
        box = ranges[source].hull.union(IntRange(0, 0))
        # A promise is for every input in the box; where windows reach into padding the layer itself may need less.
        reach = hull(dot_extremes(rows, box.low, box.high, partial_sums=True))
        promises.append(
            LayerContract(
                layer=str(node.name),
                accumulator_bits=reach.union(-reach).bits(signed=True),
                bound="a2q",
                overflow="any_order",
                input_low=box.low,
                input_high=box.high,
                channel_digests=channel_digests(rows),
            )
        )
    return promises


def test_exported_brevitas_networks(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("export") / "model.onnx"

    @settings(max_examples=6)
    @given(spec=networks(roundings=tuple(ROUNDINGS), symmetric_pads=True, max_size=4))
    def run(spec: NetworkSpec) -> None:
        assert_exported_stages_equal(spec, "torchscript", path)

    run()


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
def test_exported_by_either_exporter(exporter: Exporter, tmp_path: Path) -> None:
    spec = two_convolutions_and_a_linear_layer()
    model = assert_exported_stages_equal(spec, exporter, tmp_path / "model.onnx")
    assert assert_finn_agrees(model, images(spec)[:1]) >= 10


def test_exported_file_in_qonnx(tmp_path: Path) -> None:
    """As QONNX transformations; on the file as it is, cleaned up, and with data types that QONNX inferred."""
    spec, path = two_convolutions_and_a_linear_layer(), tmp_path / "model.onnx"
    x, model = images(spec), exported(spec, "torchscript", path)
    lower_to_hardware(model)
    name, output = input_name(model), str(model.graph.outputs[0].name)
    expected = emulate(model, {name: x})[output]
    cleaned = cleanup_model(ModelWrapper(str(path)))
    for wrapped in (ModelWrapper(str(path)), cleaned, cleaned.transform(InferDataTypes())):
        for stage in (InferShapes(), ExtractIntegers(), *stages()):
            wrapped = wrapped.transform(stage)
        ours = ir.serde.deserialize_model(wrapped.model)
        assert op_types(ours) == op_types(model)
        result = emulate(ours, {input_name(ours): x})[str(ours.graph.outputs[0].name)]
        np.testing.assert_array_equal(result, expected)


def two_convolutions_and_a_linear_layer() -> NetworkSpec:
    relu = ActivationSpec(function="relu", bits=4, signed=False)
    first = LayerSpec(
        outputs=4,
        kernel=(3, 3),
        pads=(1, 1, 1, 1),
        per_channel=True,
        bias=True,
        batch_norm=True,
        activation=relu,
        pool=2,
    )
    last = LayerSpec(outputs=3, kernel=None, activation=ActivationSpec(function="hardtanh", bits=3, signed=True))
    return NetworkSpec(
        shape=(2, 6, 6),
        input=ActivationSpec(function="identity", bits=5, signed=True),
        layers=(first, replace(first, outputs=2, per_channel=False), last),
        seed=1,
    )


def exported(spec: NetworkSpec, exporter: Exporter, path: Path) -> ir.Model:
    with warnings.catch_warnings():
        # torch's and Brevitas's own, about their own code.
        warnings.simplefilter("ignore")
        export_qonnx(brevitas_network(spec), torch.from_numpy(images(spec)[:1]), path, exporter=exporter)
    return ir.load(path)


def assert_exported_stages_equal(spec: NetworkSpec, exporter: Exporter, path: Path) -> ir.Model:
    model = exported(spec, exporter, path)
    InferShapes()(model)
    assert not ExtractIntegers()(model).refusals
    assert_every_stage_equal(model, images(spec))
    return model
