"""Networks with ShiftQuant: what Brevitas computes is what the lowered graph computes, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from brevitas_ext.export import export_qonnx
from finn_transforms.certify import certify
from finn_transforms.emulate import emulate
from finn_transforms.loading import load_model
from finn_transforms.passes import lower_to_hardware
from finn_transforms.report import certificates
from tests.support.certified import problems
from tests.support.graphs import op_types
from tests.support.shift_models import shift_images, shift_network


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_lowered_network_computes_what_brevitas_does(seed: int, groups: int, tmp_path: Path) -> None:
    network = shift_network(seed, groups=groups)
    model = load_model(export_qonnx(network, shift_images(seed), tmp_path / "network.onnx"))
    lowered = lower_to_hardware(model)
    assert {refusal.pass_name for refusal in lowered.refusals} <= {"InferThresholding"}
    assert sum("MVAU" in kind for kind in op_types(model)) == 4
    images = shift_images(seed + 100, 16)
    found = emulate(model, {str(model.graph.inputs[0].name): images.numpy()}, keep="outputs")
    expected = network(images).detach().numpy()
    assert np.unique(expected).size > 16
    np.testing.assert_array_equal(found[str(model.graph.outputs[0].name)], expected)
    document = certificates(model)
    verdicts = certify(ir.serde.serialize_model(model), document)
    assert len(verdicts) == len(document["accumulators"]) > 0
    assert problems(verdicts) == ""
