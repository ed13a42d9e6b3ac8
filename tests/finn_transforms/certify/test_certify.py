"""Certificates replay, and whatever is changed is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from finn_transforms.analysis.datatypes import set_datatype
from finn_transforms.build import lower
from finn_transforms.certify import CertificateError, certify
from finn_transforms.passes import MinimizeAccumulators
from finn_transforms.report import certificates
from tests.support import accumulating_layers as layers
from tests.support.certified import problems, record_of, state
from tests.support.small import hardware_layer
from tests.support.small_network import CONTRACT_BITS, CONTRACT_LAYER, small_network


def test_a_build_is_certified(built: Path) -> None:
    verdicts = certify(built)
    assert problems(verdicts) == ""
    assert [each.minimal for each in verdicts] == [True, True, False, False]
    assert "whole bytes" in verdicts[2].detail
    assert (verdicts[3].name, verdicts[3].data_type) == (CONTRACT_LAYER, f"{CONTRACT_BITS} bits")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.update(data_type="INT11"), "the certificate is for INT11, the graph has INT12"),
        (lambda record: record["weights"].update(sha256="0" * 64), "the certificate is for 0000"),
        (lambda record: record.update(weights=None), "the certificate is for None"),
        (lambda record: record["highest"].update(value=2000), r"the highest sum is 1062 in channel \d, not 2000"),
        (
            lambda record: record["highest"].update(inputs="16*72"),
            r"channel \d, input \d+: .*has 16, outside \[\d+, \d+\]",
        ),
        (
            lambda record: record["highest"].update(first="1*72"),
            r"channel \d: the witness of the highest sum adds up to",
        ),
        (lambda record: record["lowest"].update(inputs="0*71"), "has 71 inputs, the graph 72"),
        (lambda record: record["lowest"].update(channel=99), "said to be of channel 99 of 8"),
        (lambda record: record["inputs"].update(high="15*72"), r"highest value is \d+ in the graph, 15 in"),
        (lambda record: record["inputs"].update(high="15*7"), "has 7 inputs, the graph 72"),
        (lambda record: record.update(shown_by="lowest"), r"-1023 fits one bit less, \[-1024, 1023\]"),
        (lambda record: record.update(minimal=False), "does not say why"),
        (lambda record: record.update(overflow="never"), "overflow is 'never'"),
        (lambda record: record.update(name="other"), "has no MVAU of that name"),
        (lambda record: record.pop("lowest"), "cannot be read: KeyError"),
        (lambda record: record["highest"].update(first="1*-3"), "cannot be read: ValueError"),
    ],
)
def test_a_changed_certificate(
    model: onnx.ModelProto, document: dict[str, Any], change: Callable[[dict[str, Any]], object], message: str
) -> None:
    name = record_of(document)["name"]
    change(record_of(document))
    verdicts = [each for each in certify(model, document) if not each.ok]
    assert verdicts
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(problems(verdicts))
    assert {each.name for each in verdicts} <= {name, "other"}


def change_weight(model: onnx.ModelProto, name: str) -> None:
    node = next(node for node in model.graph.node if node.name == name)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[1])
    array = numpy_helper.to_array(tensor).copy()
    array[-1, 3] += 1
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def test_a_changed_weight(model: onnx.ModelProto, document: dict[str, Any]) -> None:
    name = record_of(document)["name"]
    change_weight(model, name)
    text = problems(certify(model, document))
    assert f"{name}: the weights have SHA-256" in text
    # It is the layer that training made a promise for.
    assert f"{CONTRACT_LAYER}: node {name!r}, channel 3: other weights than the promise was made for" in text


def test_a_changed_type(model: onnx.ModelProto, document: dict[str, Any]) -> None:
    """Also where the certificate is changed along, the sums are computed anew."""
    node = next(node for node in model.graph.node if node.name == record_of(document)["name"])
    for attribute in node.attribute:
        if attribute.name == "accDataType":
            attribute.s = b"INT11"
    assert "the graph has INT11" in problems(certify(model, document))
    record_of(document)["data_type"] = "INT11"
    assert "channel 0: INT11 holds [-1024, 1023], a sum reaches 1029" in problems(certify(model, document))


@pytest.mark.parametrize(
    ("op_type", "attribute", "narrow"),
    [
        ("MVAU", "inputDataType", "UINT2"),
        ("MVAU", "weightDataType", "INT2"),
        ("MVAU", "outputDataType", "INT6"),
        ("Thresholding", "inputDataType", "INT6"),
        ("Thresholding", "weightDataType", "INT2"),
        ("Thresholding", "outputDataType", "UINT3"),
    ],
)
def test_a_type_that_its_values_do_not_fit(
    model: onnx.ModelProto, document: dict[str, Any], op_type: str, attribute: str, narrow: str
) -> None:
    """The accumulators hold their sums as before, but the layer's streams or memories cut their values off."""
    node = next(node for node in model.graph.node if node.op_type == op_type)
    found = next(each for each in node.attribute if each.name == attribute)
    found.s = narrow.encode()
    broken = [each for each in certify(model, document) if not each.ok]
    assert {(each.name, each.kind) for each in broken} == {(node.name, "type")}
    assert any(f"its {attribute} {narrow} " in each.detail for each in broken)


def test_a_changed_threshold_changes_the_inputs_of_the_next_layer(
    model: onnx.ModelProto, document: dict[str, Any]
) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Thresholding")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[1])
    array = numpy_helper.to_array(tensor).copy()
    array[0] = array.min() - 99
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    assert "in the graph, 0 in the certificate" in problems(certify(model, document))


@pytest.mark.parametrize("value", [None, 5, [], {}, "1*-1"])
def test_a_witness_that_is_no_text(model: onnx.ModelProto, document: dict[str, Any], value: Any) -> None:
    record_of(document)["highest"]["inputs"] = value
    assert "its certificate cannot be read" in problems(certify(model, document))


@pytest.mark.parametrize("value", [None, 5, [], {}])
def test_a_name_that_is_no_text(model: onnx.ModelProto, document: dict[str, Any], value: Any) -> None:
    name = record_of(document)["name"]
    record_of(document)["name"] = value
    assert f"{name}: it has no certificate" in problems(certify(model, document))


@pytest.mark.parametrize("text", ["{", "[]", '{"layers": [{}]}'])
def test_a_contract_that_cannot_be_read(model: onnx.ModelProto, document: dict[str, Any], text: str) -> None:
    model.metadata_props[0].value = text
    with pytest.raises(CertificateError, match="accumulator contract: expected layers with their promises"):
        certify(model, document)


def test_a_missing_certificate(model: onnx.ModelProto, document: dict[str, Any]) -> None:
    removed = document["accumulators"].pop(0)
    assert problems(certify(model, document)) == f"{removed['name']}: it has no certificate"


@pytest.mark.parametrize("name", sorted(layers.ALL))
def test_missing_certificates_of_every_kind_of_layer(name: str) -> None:
    model = layers.ALL[name]()
    MinimizeAccumulators()(model)
    document = certificates(model)
    removed = [f"{record['name']}: it has no certificate" for record in document["accumulators"]]
    document["accumulators"] = []
    assert problems(certify(ir.serde.serialize_model(model), document)).splitlines() == removed


def test_a_graph_that_says_nothing_of_wrapping() -> None:
    model = layers.cancelling()
    MinimizeAccumulators(byte_align_outputs=False, overflow="wrap")(model)
    document = certificates(model)
    assert problems(certify(ir.serde.serialize_model(model), document)) == ""
    for node in model.graph:
        node.metadata_props.clear()
    text = problems(certify(ir.serde.serialize_model(model), document))
    assert "the certificate lets partial sums wrap around, the graph does not" in text


def test_two_layers_of_one_name(model: onnx.ModelProto, document: dict[str, Any]) -> None:
    """Otherwise one certificate would do for both."""
    first, second = (record["name"] for record in document["accumulators"][:2])
    state(model, first, "accDataType", "INT2")
    next(node for node in model.graph.node if node.name == first).name = second
    del document["accumulators"][0]
    assert f"{second}: the graph has 2 layers of that name" in problems(certify(model, document))


def test_a_certificate_of_a_layer_that_adds_nothing_up(model: onnx.ModelProto, document: dict[str, Any]) -> None:
    name = next(node.name for node in model.graph.node if node.op_type == "Thresholding")
    document["accumulators"].append({**record_of(document), "name": name, "op_type": "Thresholding"})
    assert problems(certify(model, document)) == f"{name}: the graph has no Thresholding of that name that adds up"


def test_a_promise_that_the_weights_break(model: onnx.ModelProto, document: dict[str, Any]) -> None:
    for entry in model.metadata_props:
        contract = json.loads(entry.value)
        contract["layers"][0]["accumulator_bits"] = 5
        entry.value = json.dumps(contract)
    assert "a sum reaches" in problems(certify(model, document))


@pytest.mark.parametrize(
    ("source", "content", "message"),
    [
        ("nothing", None, "expected a graph of hardware layers, found nothing there"),
        ("hw_graph.onnx", b"text", "expected an ONNX file with its weights"),
        ("report/certificates.json", b"{", "expected JSON"),
        ("report/certificates.json", b"[]", "expected certificates of version 1, found 'list'"),
        ("report/certificates.json", b'{"version": 9}', "expected certificates of version 1, found 9"),
        ("report/certificates.json", b'{"version": 1, "accumulators": [1]}', "expected a list under 'accumulators'"),
    ],
)
def test_files_that_cannot_be_used(built: Path, tmp_path: Path, source: str, content: bytes, message: str) -> None:
    (tmp_path / "report").mkdir()
    for name in ("hw_graph.onnx", "report/certificates.json"):
        (tmp_path / name).write_bytes((built / name).read_bytes())
    if content is not None:
        (tmp_path / source).write_bytes(content)
    with pytest.raises(CertificateError, match=message):
        certify(tmp_path if content is not None else tmp_path / source)


def test_another_file_in_place_of_the_graph(built: Path) -> None:
    with pytest.raises(CertificateError, match="expected an ONNX file"):
        certify(built / "report" / "certificates.json")


@pytest.mark.parametrize("bound", ["weights", "datatype", None])
def test_other_bounds_are_certified_as_wider_than_needed(bound: Any) -> None:
    model = lower(ir.serde.deserialize_model(small_network()), bound=bound).model
    verdicts = certify(ir.serde.serialize_model(model), certificates(model))
    assert problems(verdicts) == ""
    assert not any(each.minimal for each in verdicts[:1])


@pytest.mark.parametrize("name", sorted(layers.ALL))
@pytest.mark.parametrize("overflow", ["any_order", "wrap"])
def test_every_kind_of_layer(name: str, overflow: Any) -> None:
    model = layers.ALL[name]()
    MinimizeAccumulators(byte_align_outputs=False, overflow=overflow)(model)
    document = json.loads(json.dumps(certificates(model)))
    verdicts = certify(ir.serde.serialize_model(model), document)
    assert document["accumulators"]
    assert problems(verdicts) == ""
    assert all(each.minimal or "FINN derives" in each.detail or "thresholds" in each.detail for each in verdicts)
    for record, verdict in zip(document["accumulators"], verdicts, strict=True):
        # One bit less is refused, whatever the certificate says.
        if verdict.minimal and record["data_type"] != "BINARY":
            record["data_type"] = narrow(next(node for node in model.graph if node.name == record["name"]), record)
    again = certify(ir.serde.serialize_model(model), document)
    assert any("a sum reaches" in each.detail for each in again) == any(each.minimal for each in verdicts)


def narrow(node: ir.Node, record: dict[str, Any]) -> str:
    """Declare an accumulator of one bit less."""
    stem = record["data_type"].rstrip("0123456789")
    bits = int(record["data_type"].removeprefix(stem)) - 1
    narrower = "BINARY" if (stem, bits) == ("UINT", 1) else f"{stem}{bits}"
    for key in ("accDataType", "out_dtype", "OutputDataType"):
        if key in node.attributes:
            node.attributes[key] = ir.AttrString(key, narrower)
    if "AccumBits" in node.attributes:
        node.attributes["AccumBits"] = ir.AttrInt64("AccumBits", bits)
    if node.op_type in {"GlobalAccPool", "Pool"}:
        set_datatype(node.outputs[0], narrower)
    return narrower


@pytest.mark.parametrize(("weight", "expected"), [(0, "BINARY"), (1, "BINARY"), (-1, "INT1")])
def test_one_bit_is_the_least(weight: int, expected: str) -> None:
    model = hardware_layer([[weight]], input_type="BINARY", weight_type="INT2")
    MinimizeAccumulators(byte_align_outputs=False)(model)
    document = certificates(model)
    assert record_of(document, 0)["data_type"] == expected
    (verdict,) = certify(ir.serde.serialize_model(model), document)
    assert (verdict.ok, verdict.minimal, verdict.detail.split("; ")[-1]) == (True, True, "no type is narrower")


def test_a_contract_that_was_taken_away(model: onnx.ModelProto, document: dict[str, Any]) -> None:
    del model.metadata_props[:]
    assert "the graph has another accumulator contract than the one that was certified" in problems(
        certify(model, document)
    )


def test_scales_that_finn_multiplies_in_hardware(model: onnx.ModelProto, document: dict[str, Any]) -> None:
    """Its own flow leaves real numbers to element-wise layers behind the last unit."""
    source = next(node for node in reversed(model.graph.node) if node.op_type == "MVAU").output[0]
    model.graph.initializer.append(numpy_helper.from_array(np.float32([0.1]), "scale"))
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("scaled", onnx.TensorProto.FLOAT, [1, 1, 1, 1]))
    model.graph.node.append(
        onnx.helper.make_node(
            "ElementwiseMul",
            [source, "scale"],
            ["scaled"],
            name="scaling",
            domain="finn.custom_op.fpgadataflow",
            out_dtype="FLOAT32",
        )
    )
    assert problems(certify(model, document)) == ""
