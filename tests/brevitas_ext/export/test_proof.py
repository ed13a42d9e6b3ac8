"""A file that is not what was trained is not written."""

from __future__ import annotations

import brevitas.nn as qnn
import numpy as np
import onnx
import pytest
import torch
from brevitas.quant import Int8Bias
from onnx import numpy_helper

from brevitas_ext.accumulators import trace_layers
from brevitas_ext.export import ExportMismatchError, export_qonnx
from brevitas_ext.export.proof import build_contract, prove_contract, prove_integers, quantized_constants
from brevitas_ext.export.recording import record
from brevitas_ext.export.writing import write_atomically
from brevitas_ext.qonnx_ops.accumulator_contract import METADATA_KEY, AccumulatorContract, ContractViolationError
from brevitas_ext.quantizers import A2QWeightQuant
from tests.brevitas_ext.export.models import Wired, contract_of, export, quantized_input, trained

SHAPE = (2, 4, 6, 6)


def small():
    torch.manual_seed(8)
    conv = qnn.QuantConv2d(
        4, 3, 3, bias_quant=Int8Bias, weight_quant=A2QWeightQuant, weight_bit_width=6, weight_accumulator_bit_width=10
    )
    with torch.no_grad():
        conv.weight.copy_(torch.randn_like(conv.weight) ** 5)
    return trained(
        Wired(lambda parts, x: parts["conv"](parts["source"](x)), source=quantized_input(), conv=conv), SHAPE
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    result = export(small(), torch.randn(SHAPE), tmp_path_factory.mktemp("small"))
    result.calls, _ = record(result.model, (result.example,))
    result.layers = trace_layers(result.model, result.example)
    return result


@pytest.fixture
def file(exported):
    copy = onnx.ModelProto()
    copy.CopyFrom(exported.file)
    return copy


def rewrite(file, name, change):
    for item in file.graph.initializer:
        if item.name == name:
            array = numpy_helper.to_array(item).copy()
            change(array)
            item.CopyFrom(numpy_helper.from_array(array, name))


def scale_of(file, layer="parts.conv"):
    name = f"{layer}.weight_quant.scale"
    return numpy_helper.to_array(next(item for item in file.graph.initializer if item.name == name))


def test_what_was_written_is_proved(exported, file):
    prove_integers(file, exported.calls)
    prove_contract(file, exported.layers, exported.calls)


@pytest.mark.parametrize("step", [1, -1, 3])
def test_a_tampered_weight_names_its_layer_and_index(exported, file, step):
    def change(array):
        array[2, 1, 0, 2] += step * scale_of(file)[2, 0, 0, 0]

    before = quantized_constants(file)["parts.conv.weight_quant"].integers[2, 1, 0, 2]
    rewrite(file, "parts.conv.weight", change)
    message = (
        rf"'parts.conv.weight_quant': expected the integer {before}, .* at \[2, 1, 0, 2\], found {before + step} .*"
        r"and 1 of 108 differ"
    )
    with pytest.raises(ExportMismatchError, match=message):
        prove_integers(file, exported.calls)


def test_a_tampered_weight_names_layer_and_channel_by_its_contract(file):
    """What the compiler sees: no names of Brevitas's, only integers and the metadata."""

    def change(array):
        array[2, 1, 0, 2] += scale_of(file)[2, 0, 0, 0]

    contract = contract_of(file)
    rewrite(file, "parts.conv.weight", change)
    weights = quantized_constants(file)["parts.conv.weight_quant"].integers.reshape(3, -1)
    assert contract.match(weights) is None
    layer, channels = contract.nearest(weights)
    assert (layer.layer, channels) == ("parts.conv", [2])


def test_a_weight_beyond_the_promise_is_an_overflow_with_a_witness(exported, file):
    def change(array):
        array[1] = 31 * scale_of(file)[1]

    rewrite(file, "parts.conv.weight", change)
    weights = quantized_constants(file)["parts.conv.weight_quant"].integers.reshape(3, -1)
    with pytest.raises(ContractViolationError) as caught:
        contract_of(file).layers[0].check(weights)
    error = caught.value
    assert (error.layer, error.channel, error.accumulator_bits) == ("parts.conv", 1, 10)
    assert int(weights[1] @ np.array(error.witness)) == error.extreme == 31 * 36 * 7 or error.extreme == 31 * 36 * -8
    with pytest.raises(ExportMismatchError, match="expected a contract for the weights in the file"):
        prove_contract(file, exported.layers, exported.calls)


def test_tampered_biases_scales_and_zero_points(exported, file):
    def more(array):
        array += 1

    for name, message in (
        ("parts.conv.bias", r"'parts.conv.bias_quant': expected the integer"),
        ("parts.conv.weight_quant.scale", r"'parts.conv.weight_quant': expected the integer"),
        ("parts.source.act_quant.scale", r"'parts.source.act_quant': expected the scale"),
        ("parts.source.act_quant.zero_point", r"'parts.source.act_quant': expected the scale"),
    ):
        tampered = onnx.ModelProto()
        tampered.CopyFrom(file)
        rewrite(tampered, name, more)
        with pytest.raises(ExportMismatchError, match=message):
            prove_integers(tampered, exported.calls)


def test_missing_and_unknown_quantizers(exported, file):
    node = next(node for node in file.graph.node if node.name == "parts.conv.weight_quant")
    node.name = "other"
    with pytest.raises(ExportMismatchError, match="'other': expected one of the model's"):
        prove_integers(file, exported.calls)
    file.graph.node.remove(node)
    with pytest.raises(ExportMismatchError, match=r"a quantizer node for 'parts.conv.weight_quant' in the file"):
        prove_integers(file, exported.calls)


def test_a_missing_or_empty_contract(exported, file):
    for text in ("", AccumulatorContract(layers=()).to_json()):
        del file.metadata_props[:]
        if text:
            file.metadata_props.add(key=METADATA_KEY, value=text)
        with pytest.raises(ExportMismatchError, match=r"contracts for the layers \['parts.conv'\], found \[\]"):
            prove_contract(file, exported.layers, exported.calls)


def test_a_layer_that_breaks_its_promise_is_not_exported(tmp_path, monkeypatch):
    """No quantizer here does; one that lies about its width stands in."""
    model = small()
    layers = trace_layers(model, torch.randn(SHAPE))
    broken = type(layers[0])(**{**vars(layers[0]), "accumulator_bits": 6})
    monkeypatch.setattr("brevitas_ext.export.qonnx.trace_layers", lambda *_: [broken])
    with pytest.raises(ContractViolationError, match=r"'parts.conv', channel \d.* P = 6|\(P = 6 bits\)"):
        export_qonnx(model, torch.randn(SHAPE), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    assert build_contract(layers).layers[0].accumulator_bits == 10


class TestWriting:
    def test_nothing_appears_before_it_is_proved(self, exported, tmp_path):
        target = tmp_path / "model.onnx"

        def prove(written):
            assert written == exported.file
            assert not target.exists()

        write_atomically(exported.file, target, prove)
        assert onnx.load(target) == exported.file
        assert list(tmp_path.iterdir()) == [target]

    def test_what_is_not_proved_does_not_replace(self, exported, tmp_path):
        target = tmp_path / "model.onnx"
        target.write_text("of yesterday")

        def prove(_written):
            raise ExportMismatchError("not proved")

        with pytest.raises(ExportMismatchError, match="not proved"):
            write_atomically(exported.file, target, prove)
        assert target.read_text() == "of yesterday"
        assert list(tmp_path.iterdir()) == [target]

    def test_others_may_read_the_file(self, exported, tmp_path):
        plain = tmp_path / "plain"
        plain.write_text("")
        write_atomically(exported.file, tmp_path / "model.onnx", lambda _written: None)
        assert (tmp_path / "model.onnx").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("bits", [8, 16, 24, 25, 26, 30])
def test_any_width_of_weights(bits, tmp_path):
    """Beyond 2^22 float32 does not give the integer back, but the product is still that of Brevitas."""
    torch.manual_seed(9)
    layer = qnn.QuantLinear(16, 8, bias=False, weight_bit_width=bits)
    model = Wired(lambda parts, x: parts["layer"](parts["source"](x)), source=quantized_input(), layer=layer).eval()
    exported = export(model, torch.randn(3, 16), tmp_path)
    found = quantized_constants(exported.file)["parts.layer.weight_quant"]
    np.testing.assert_array_equal(found.value, layer.quant_weight().value.detach().numpy())
    if bits <= 22:
        np.testing.assert_array_equal(found.integers, layer.quant_weight().int().numpy())
