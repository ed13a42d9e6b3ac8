"""A float residual network becomes one accelerator: every shortcut and sum is a hardware layer."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx_ir as ir
import pytest

from brevitas_ext.export import export_qonnx
from brevitas_ext.ptq import sparq_ptq
from finn_transforms.analysis.matching import is_hardware
from finn_transforms.build import BuildResult, build
from finn_transforms.loading import load_model
from finn_transforms.network import stitch
from finn_transforms.network.data import reference
from finn_transforms.verify import verify
from tests.support.float_shortcuts import images, shortcuts

pytest.importorskip("finn")


@cache
def built() -> tuple[ir.Model, BuildResult]:
    """Return the exported graph and what became of it. Not to be changed."""
    options = {"windows": "4b3opt", "keep": (), "unfit": "int8", "place": "relu", "linear_bits": 8}
    network = sparq_ptq(shortcuts(), images(), **options)
    with TemporaryDirectory() as folder:
        exported = load_model(export_qonnx(network, images(1, 1)[0], Path(folder) / "network.onnx"))
    return exported, build(exported)


def test_everything_between_the_images_integers_and_the_last_scale_is_hardware() -> None:
    _, result = built()
    assert [(each.op_type, each.advice) for each in result.refusals] == [
        ("Quant", "It runs on the host, before the accelerator")
    ]
    nodes = list(result.model.graph)
    on_board = [is_hardware(node) for node in nodes]
    first, last = on_board.index(True), len(nodes) - on_board[::-1].index(True)
    assert all(on_board[first:last])
    assert [node.op_type for node in nodes[:first]] == ["Div", "Quant", "Transpose"]
    assert [node.op_type for node in nodes[last:]] == ["Mul", "Mul", "Add"]
    kinds = [node.op_type for node in nodes]
    assert (kinds.count("ElementwiseAdd"), kinds.count("SparqMVAU"), kinds.count("Pool")) == (3, 7, 1)


def test_every_integer_equals_the_exported_model_and_the_units() -> None:
    exported, result = built()
    found = verify(result.model, exported, images(1, 4, 3)[0].numpy())
    assert found.errors == found.ties == 0 and len(found.tensors) == 14
    samples = {"x": images(1, 4, 3)[0].numpy()}
    stitched = stitch(result.model)
    truth = reference(result.model, stitched, samples)
    assert all(map(np.array_equal, stitched.network.golden(*truth.inputs), truth.outputs))
