"""The compiled emulator on SPARQ's layers equals the plain one, for every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brevitas_ext.export import export_qonnx
from finn_transforms.emulate import compile_emulator, emulate
from finn_transforms.loading import load_model
from finn_transforms.passes import lower_to_hardware
from tests.support.random_sparq_networks import Recipe, random_image, random_network


@pytest.mark.parametrize(
    ("windows", "changes"),
    [
        (("4b5opt", "3b6opt", "4b3opt"), {}),
        (("4b2opt", "2b7opt", "7b2opt"), {"rounding": False}),
        (("4b5opt", "2b7opt", "4b2opt"), {"overflow": "carry"}),
        (("4b5opt", "3b6opt", "5b4opt"), {"pairs": False}),
    ],
)
def test_every_format(windows: tuple[str, ...], changes: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe(
        channels=(2, 4, 4),
        size=(6, 7),
        kernels=((3, 1, 1), (3, 2, 1)),
        windows=windows,
        options={"rounding": True, "overflow": "saturate", "pairs": True, **changes},
        at_input=False,
        has_linear=True,
    )
    network = random_network(recipe, 1)
    model = load_model(export_qonnx(network, random_image(recipe, 1), tmp_path / "network.onnx"))
    lower_to_hardware(model)
    assert [node.op_type for node in model.graph].count("SparqMVAU") == 3
    samples = {str(model.graph.inputs[0].name): random_image(recipe, 3, 40).numpy()}
    np.testing.assert_equal(compile_emulator(model)(samples), emulate(model, samples, keep="outputs"))
