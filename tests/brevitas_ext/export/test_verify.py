"""Ties are told from errors: at a boundary by less than float32 can tell, or not at all."""

from __future__ import annotations

import io

import brevitas.nn as qnn
import numpy as np
import onnx
import pytest
import torch
from brevitas.quant import Int8Bias
from onnx import numpy_helper
from rich.console import Console
from torch import nn

from brevitas_ext.export import ExportMismatchError, verify_export
from brevitas_ext.export.batching import with_batch
from tests.brevitas_ext.export.models import IMAGE, Wired, convnet, export, quantized_input


def fixed_point(bits, *, signed=True, **options):
    """A quantizer with the scale 1/4."""
    span = 2 ** (bits - 1 if signed else bits) / 4
    kind = qnn.QuantIdentity if signed else qnn.QuantReLU
    extra = {"min_val": -span} if signed else {}
    return kind(
        bit_width=bits,
        scaling_impl_type="const",
        max_val=span,
        restrict_scaling_type="power_of_two",
        return_quant_tensor=True,
        **extra,
        **options,
    )


class Chain(nn.Module):
    """A linear layer of weight 0, so that its bias is what the quantizers behind it see."""

    def __init__(self, bias):
        super().__init__()
        self.source = fixed_point(4)
        self.affine = nn.Linear(len(bias), len(bias))
        self.first = fixed_point(4, signed=False)
        self.second = fixed_point(3)
        self.last = qnn.QuantLinear(len(bias), 2, bias=True, weight_bit_width=4, bias_quant=Int8Bias)
        with torch.no_grad():
            self.affine.weight.zero_()
            self.affine.bias.copy_(torch.tensor(bias))

    def forward(self, x):
        return self.last(self.second(self.first(self.affine(self.source(x).value))))


EXACT = (0.25, 0.375, 0.5, 0.625, 1.0)
"""In steps of 1/4: 1, 1.5 (a tie, to 2), 2, 2.5 (a tie, to 2), 4."""


@pytest.fixture
def chain(tmp_path):
    return export(Chain(EXACT).eval(), torch.randn(1, 5), tmp_path)


def rewrite(exported, name, change):
    """Changes an initializer in the file."""
    for item in exported.file.graph.initializer:
        if item.name == name:
            array = numpy_helper.to_array(item).copy()
            item.CopyFrom(numpy_helper.from_array(np.asarray(change(array), dtype=np.float32), name))
            onnx.save(exported.file, exported.path)
            return
    raise KeyError(name)


def nudged(amounts):
    """Adds a number of units in the last place to every element."""

    def change(array):
        for _ in range(max(map(abs, amounts))):
            target = np.where(np.array(amounts) > 0, np.inf, -np.inf).astype(np.float32)
            array = np.where(np.array(amounts) != 0, np.nextafter(array, target), array)
        return array

    return change


def added(amounts):
    return lambda array: array + np.array(amounts)


def by_name(verification):
    return {item.name: item for item in verification.quantizers}


class TestTies:
    def test_nothing_differs(self, chain):
        verification = verify_export(chain.model, chain.path, torch.randn(3, 5))
        assert verification.ok
        assert verification.ties == verification.mismatches == 0
        assert verification.batches == 3
        assert str(verification).endswith("in 3 batches, ties within 8 ulps")
        verification.check()

    def test_a_value_next_to_a_boundary_is_a_counted_tie(self, chain):
        rewrite(chain, "affine.bias", nudged([0, -1, 0, 1, 0]))
        verification = verify_export(chain.model, chain.path, torch.randn(3, 5))
        assert verification.ok
        verification.check()
        assert {item.name: item.ties for item in verification.quantizers if item.ties} == {"first.act_quant": 3 * 2}
        shown = by_name(verification)["first.act_quant"].differences
        assert {(item.index, item.brevitas, item.onnxruntime, item.qonnx) for item in shown} == {
            ((0, 1), 2, 1, 1),
            ((0, 3), 2, 3, 3),
        }
        assert all(item.is_tie and item.quantizer == "first.act_quant" for item in shown)
        assert "6 ties" in str(verification)
        assert "tie at first.act_quant[0, 1], batch 0: Brevitas 2, onnxruntime 1, QONNX 1" in str(verification)

    def test_what_follows_a_tie_is_compared_on_the_same_input(self, chain):
        """The second quantizer would clip 3 to 3 but see 3 for 2: without the same input it would differ, too."""
        rewrite(chain, "affine.bias", nudged([0, 0, 0, 1, 0]))
        verification = verify_export(chain.model, chain.path, torch.randn(1, 5))
        assert by_name(verification)["first.act_quant"].ties == 1
        assert by_name(verification)["second.act_quant"].ties == 0
        assert verification.outputs[0].ok

    @pytest.mark.parametrize(("ulps", "is_tie"), [(0.5, False), (1, False), (3, False), (4, True), (40, True)])
    def test_how_close_is_what_was_asked_for(self, chain, ulps, is_tie):
        # Below 0.75 a unit is 2^-24, in steps of 1/4 below 3 it is 2^-22, the same number: 4 units here are 4 there.
        rewrite(chain, "affine.bias", nudged([0, 0, 0, 4, 0]))
        verification = verify_export(chain.model, chain.path, torch.randn(1, 5), ulps=ulps)
        first = by_name(verification)["first.act_quant"]
        assert (first.ties, first.mismatches) == ((1, 0) if is_tie else (0, 1))

    def test_no_tolerance_is_wider_than_a_quarter_step(self, chain):
        rewrite(chain, "affine.bias", added([0, 0, 0, 0.0624, 0]))
        assert verify_export(chain.model, chain.path, torch.randn(1, 5), ulps=1e9).ties == 1
        rewrite(chain, "affine.bias", added([0, 0, 0, 0.0002, 0]))
        assert verify_export(chain.model, chain.path, torch.randn(1, 5), ulps=1e9).mismatches == 1

    def test_a_step_too_far_is_no_tie(self, chain):
        """At a boundary, but on neither side of it."""
        rewrite(chain, "first.act_quant.zero_point", lambda array: array + 1)
        verification = verify_export(chain.model, chain.path, torch.randn(1, 5))
        # 1.5 becomes 2.5, which rounds to the same even number.
        assert by_name(verification)["first.act_quant"].mismatches == 4


class TestMismatches:
    def test_an_activation(self, chain):
        rewrite(chain, "affine.bias", added([0, 0, 0.2, 0, 0]))
        verification = verify_export(chain.model, chain.path, torch.randn(2, 5))
        assert not verification.ok
        assert verification.mismatches == 2
        with pytest.raises(ExportMismatchError) as caught:
            verification.check()
        message = str(caught.value)
        assert "Quantizer 'first.act_quant': expected equal integers up to ties, found 2 other differences" in message
        assert "MISMATCH at first.act_quant[0, 2], batch 0: Brevitas 2, onnxruntime 3, QONNX 3" in message
        assert "float64 before rounding 2.79999" in message

    def test_a_weight_by_one(self, chain):
        def change(array):
            array[1, 3] += 0.9 * np.abs(array).max() / 7
            return array

        rewrite(chain, "last.weight", change)
        verification = verify_export(chain.model, chain.path, torch.randn(1, 5))
        last = by_name(verification)["last.weight_quant"]
        assert (last.role, last.ties, last.mismatches) == ("weight", 0, 1)
        assert last.differences[0].index == (1, 3)
        assert last.differences[0].onnxruntime == last.differences[0].brevitas + 1
        with pytest.raises(ExportMismatchError, match=r"'last.weight_quant'"):
            verification.check()

    def test_a_bias_by_one(self, chain):
        scale = next(item for item in chain.file.graph.initializer if item.name == "last.bias_quant.scale")
        step = numpy_helper.to_array(scale).ravel()[0]
        rewrite(chain, "last.bias", added([0, step]))
        last = by_name(verify_export(chain.model, chain.path, torch.randn(1, 5)))["last.bias_quant"]
        assert (last.role, last.mismatches) == ("bias", 1)

    @pytest.mark.parametrize("parameter", ["scale", "zero_point"])
    def test_other_parameters_are_no_ties(self, chain, parameter):
        rewrite(chain, f"second.act_quant.{parameter}", lambda array: array * 2 + 1)
        verification = verify_export(chain.model, chain.path, torch.randn(1, 5))
        assert not verification.ok
        assert not by_name(verification)["second.act_quant"].same_parameters
        assert "OTHER SCALE OR ZERO POINT" in str(verification)
        with pytest.raises(ExportMismatchError, match="expected the model's scale and zero point"):
            verification.check()

    def test_an_output(self, tmp_path):
        model = Wired(
            lambda parts, x: parts["head"](parts["source"](x).value), source=fixed_point(4), head=nn.Linear(5, 2)
        )
        exported = export(model.eval(), torch.randn(1, 5), tmp_path)
        rewrite(exported, "parts.head.bias", lambda array: array + 1e-3)
        verification = verify_export(model, exported.path, torch.randn(1, 5))
        assert verification.mismatches == 0
        assert not verification.ok
        with pytest.raises(ExportMismatchError, match="Output 'output'"):
            verification.check()

    def test_other_weights_than_exported(self, chain):
        with torch.no_grad():
            chain.model.last.weight[0, 0] += 1
        assert not verify_export(chain.model, chain.path, torch.randn(1, 5)).ok


class TestReport:
    def test_what_nothing_depends_on_is_named(self, tmp_path):
        def wiring(parts, x):
            parts["unused"](x)
            return parts["used"](x).value

        model = Wired(wiring, unused=quantized_input(), used=quantized_input()).eval()
        exported = export(model, torch.randn(2, 5), tmp_path)
        verification = verify_export(model, exported.path, torch.randn(2, 5))
        assert verification.ok
        assert verification.absent == ("parts.unused.act_quant",)
        assert "nothing depends on them: parts.unused.act_quant" in str(verification)

    def test_table(self, chain):
        console = Console(width=120, record=True, file=io.StringIO())
        console.print(verify_export(chain.model, chain.path, torch.randn(1, 5)))
        text = console.export_text()
        assert "first.act_quant" in text
        assert "in 1 batches" in text

    def test_differences_are_few(self, chain):
        rewrite(chain, "affine.bias", nudged([0, -1, 0, 1, 0]))
        rewrite(chain, "affine.bias", added([0.2, 0, 0.2, 0, 0]))
        first = by_name(verify_export(chain.model, chain.path, torch.randn(6, 5)))["first.act_quant"]
        assert (first.ties, first.mismatches, len(first.differences)) == (12, 12, 4)
        assert not first.differences[0].is_tie


class TestInputs:
    def test_batches_of_the_file(self, tmp_path):
        model = convnet()
        exported = export(model, torch.randn(IMAGE), tmp_path)
        with pytest.raises(ValueError, match=r"shapes \[\(2, 3, 8, 8\)\].* found \[\(3, 3, 8, 8\)\]"):
            verify_export(model, exported.path, torch.randn(3, 3, 8, 8))
        with pytest.raises(ValueError, match=r"found \[\(2, 3, 9, 8\)\]"):
            verify_export(model, exported.path, torch.randn(2, 3, 9, 8))
        with pytest.raises(ValueError, match="at least one input"):
            verify_export(model, exported.path, torch.randn(0, 3, 8, 8))

    def test_a_file_of_another_model(self, chain):
        model = Wired(lambda parts, x: parts["q"](x).value, q=quantized_input()).eval()
        with pytest.raises(ExportMismatchError, match=r"'source.act_quant': expected one of the model's"):
            verify_export(model, chain.path, torch.randn(1, 5))

    def test_larger_batches_at_once_change_nothing(self, tmp_path, monkeypatch):
        model = convnet()
        inputs = torch.randn(22, *IMAGE[1:])
        exported = export(model, torch.randn(IMAGE), tmp_path)
        rewrite(exported, "norm2.bias", added([0.02] * 8))
        found = []
        for at_once in (8, 1):
            monkeypatch.setattr("brevitas_ext.export.verify.SAMPLES_AT_ONCE", at_once)
            found.append(verify_export(model, exported.path, inputs))
        assert found[0].batches == found[1].batches == 11
        assert found[0].mismatches == found[1].mismatches > 4
        assert [item.name for item in found[0].quantizers if not item.ok] == ["tanh.act_quant"]
        together, alone = (
            {(item.batch, item.index): item.brevitas for item in by_name(part)["tanh.act_quant"].differences}
            for part in found
        )
        assert together == alone
        assert with_batch(exported.file, 4) is not None

    def test_a_reshape_that_starts_with_the_batch_grows_with_it(self, tmp_path):
        """As the dynamo exporter flattens."""
        model = Wired(lambda parts, x: parts["source"](x).value.reshape(2, 15), source=quantized_input()).eval()
        exported = export(model, torch.randn(2, 3, 5), tmp_path)
        assert [node.op_type for node in exported.file.graph.node][1:] == ["Reshape"]
        assert with_batch(exported.file, 3).graph.output[0].type.tensor_type.shape.dim[0].dim_value == 6
        assert verify_export(model, exported.path, torch.randn(2, 3, 5)).ok

    def test_a_file_that_holds_its_batch_elsewhere_runs_batch_by_batch(self, tmp_path):
        def wiring(parts, x):
            return (parts["source"](x).value.reshape(5, 2) * 2).reshape(2, 5)

        model = Wired(wiring, source=quantized_input()).eval()
        exported = export(model, torch.randn(2, 5), tmp_path)
        assert with_batch(exported.file, 2) is None
        verification = verify_export(model, exported.path, torch.randn(6, 5))
        assert verification.ok
        assert verification.batches == 3

    def test_an_unknown_version(self, chain):
        chain.file.opset_import[1].version = 3
        onnx.save(chain.file, chain.path)
        with pytest.raises(ValueError, match=r"Expected version 2 .* found version 3"):
            verify_export(chain.model, chain.path, torch.randn(1, 5))
