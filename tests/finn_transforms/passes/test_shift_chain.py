"""Networks with ShiftQuant: what Brevitas computes is what the lowered graph computes, to the last bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from torch import nn

from brevitas_ext import A2QPlusWeightQuant, A2QWeightQuant
from brevitas_ext.export import export_qonnx
from brevitas_ext.qonnx_ops import METADATA_KEY, ContractViolationError
from brevitas_ext.quantizers import A2QWeightQuantProxy
from finn_transforms.certify import certify
from finn_transforms.emulate import emulate
from finn_transforms.loading import load_model
from finn_transforms.passes import lower_to_hardware
from finn_transforms.report import certificates
from tests.support.certified import problems
from tests.support.graphs import op_types
from tests.support.shift_models import shift_images, shift_network


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_lowered_network_computes_what_brevitas_does(seed: int, groups: int, tmp_path: Path) -> None:
    assert_lowered(shift_network(seed, groups=groups), seed, tmp_path)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("quantizer", [A2QWeightQuant, A2QPlusWeightQuant])
def test_accumulator_aware_weights_keep_their_width_under_shifts(seed: int, quantizer: Any, tmp_path: Path) -> None:
    """The contract is proved on the lowered layers, and certificates check it again: no sum leaves 12 bits."""
    weight = {"weight_quant": quantizer, "weight_bit_width": 4, "weight_accumulator_bit_width": 12}
    model = assert_lowered(shift_network(seed, weight=weight), seed, tmp_path, promises=4)
    signed = {json.loads(text)["layer"] for node in model.graph if (text := node.metadata_props.get(METADATA_KEY))}
    assert signed == {"first", "second", "reads", "classify"}
    for record in certificates(model)["accumulators"]:
        assert -(2**11) <= record["lowest"]["value"] <= record["highest"]["value"] < 2**11
    assert "ShiftMVAU" in op_types(model)
    assert max(record["highest"]["value"] for record in certificates(model)["accumulators"]) >= 2**9


def test_weights_that_ignore_the_shifts_would_overflow(tmp_path: Path) -> None:
    """The same integers, shifted as their inputs are, overflow where the budget is spent as if nothing was shifted."""
    weight = {"weight_quant": A2QWeightQuant, "weight_bit_width": 4, "weight_accumulator_bit_width": 12}
    network = shift_network(0, weight=weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(A2QWeightQuantProxy, "factors", None)
        with pytest.raises(ContractViolationError):
            export_qonnx(network, shift_images(0), tmp_path / "network.onnx")


def assert_lowered(network: nn.Module, seed: int, folder: Path, *, promises: int = 0) -> ir.Model:
    """Export, lower, run and certify a network; return it lowered."""
    model = load_model(export_qonnx(network, shift_images(seed), folder / "network.onnx"))
    lowered = lower_to_hardware(model)
    assert {refusal.pass_name for refusal in lowered.refusals} <= {"InferThresholding"}
    assert sum("MVAU" in kind for kind in op_types(model)) == 4
    images = shift_images(seed + 100, 16)
    found = emulate(model, {str(model.graph.inputs[0].name): images.numpy()}, keep="outputs")
    expected = network(images).detach().numpy()
    assert np.unique(expected).size > 8
    np.testing.assert_array_equal(found[str(model.graph.outputs[0].name)], expected)
    document = certificates(model)
    verdicts = certify(ir.serde.serialize_model(model), document)
    assert sum(verdict.kind == "accumulator" for verdict in verdicts) == len(document["accumulators"]) == 4
    assert sum(verdict.kind == "contract" for verdict in verdicts) == promises
    assert problems(verdicts) == ""
    return model
