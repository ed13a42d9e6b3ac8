"""Random networks with SPARQ: what Brevitas computes is what the lowered graph computes, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brevitas_ext.export import export_qonnx
from finn_transforms.emulate import emulate
from finn_transforms.loading import load_model
from finn_transforms.passes import lower_to_hardware
from tests.support.graphs import op_types
from tests.support.random_sparq_networks import Recipe, random_image, random_network


@pytest.mark.parametrize("seed", range(8))
def test_lowered_network_computes_what_brevitas_does(seed: int, tmp_path: Path) -> None:
    recipe = Recipe.random(seed)
    network = random_network(recipe, seed)
    model = load_model(export_qonnx(network, random_image(recipe, seed), tmp_path / "network.onnx"))
    lowered = lower_to_hardware(model)
    assert {refusal.pass_name for refusal in lowered.refusals} <= {"InferThresholding"}
    layers = len(recipe.kernels) + recipe.has_linear
    assert op_types(model).count("SparqMVAU") == op_types(model).count("SparqEncoder") == layers
    images = random_image(recipe, seed + 1, 16)
    found = emulate(model, {str(model.graph.inputs[0].name): images.numpy()}, keep="outputs")
    expected = network(images).detach().numpy()
    assert np.unique(expected).size > 4
    np.testing.assert_array_equal(found[str(model.graph.outputs[0].name)], expected)
