"""SPARQ through both exporters: nodes, integers, and every quantizer behind it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from brevitas_ext.export import export_qonnx, verify_export
from brevitas_ext.ptq import sparq_ptq
from brevitas_ext.qonnx_ops.catalogue import read_sparq
from brevitas_ext.qonnx_ops.sparq import DOMAIN, Sparq, SparqFormat
from tests.support.float_resnet import float_resnet, images
from tests.support.sparq_networks import sparq_network

EXPORTERS = ["torchscript", "dynamo"]


@pytest.mark.parametrize(
    ("exporter", "options"),
    [
        ("torchscript", {}),
        ("torchscript", {"rounding": False, "overflow": "carry"}),
        ("dynamo", {}),
        ("dynamo", {"pairs": False}),
    ],
    ids=str,
)
def test_every_place_of_sparq_is_exported_exactly(exporter: str, options: dict[str, object], tmp_path: Path) -> None:
    model, x = sparq_network(**options), torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(2))
    path = export_qonnx(model, x, tmp_path / "sparq.onnx", exporter=exporter)
    file = onnx.load(path)
    found = {node.name: read_sparq(node) for node in file.graph.node if node.domain == DOMAIN}
    sets = {"reads.input_quant": "4b3opt", "windows.act_quant": "3b6opt", "quantizes.input_quant": "4b5opt"}
    expected = {f"{name}.sparq": Sparq(format=SparqFormat.named(kind, **options)) for name, kind in sets.items()}
    expected["classify.input_quant.sparq"] = Sparq(format=SparqFormat.named("3b6opt", **options), axis=3)
    assert found == expected
    names = {node.name for node in file.graph.node}
    assert {"relu.act_quant", "windows.act_quant", "quantizes.input_quant", "classify.input_quant"} <= names
    assert "reads.input_quant" not in names
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        assert np.allclose(session.run(None, {"x": x.numpy()})[0], model(x).numpy(), atol=1e-5)
    verified = verify_export(model, path, torch.randn(6, 3, 6, 6))
    verified.check()
    assert {"windows.act_quant", "quantizes.input_quant", "last.act_quant"} <= {
        item.name for item in verified.quantizers
    }


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_a_post_training_quantized_network_is_exported(exporter: str, tmp_path: Path) -> None:
    model = sparq_ptq(float_resnet(), images(), windows="2b7opt")
    path = export_qonnx(model, images(1, 1)[0], tmp_path / "resnet.onnx", exporter=exporter)
    verify_export(model, path, images(1, 4)[0]).check()
    assert sum(node.op_type == "Sparq" for node in onnx.load(path).graph.node) == 4


def test_a_file_without_sparq_does_not_import_its_domain(tmp_path: Path) -> None:
    model = sparq_ptq(float_resnet(), images(), windows=None)
    file = onnx.load(export_qonnx(model, images(1, 1)[0], tmp_path / "resnet.onnx"))
    assert DOMAIN not in {opset.domain for opset in file.opset_import}
    assert not any(body.domain == DOMAIN for body in file.functions)


def test_other_windows_in_the_file_are_noticed(tmp_path: Path) -> None:
    model, x = sparq_network(), torch.randn(2, 3, 6, 6)
    path = export_qonnx(model, x, tmp_path / "sparq.onnx")
    file = onnx.load(path)
    node = next(node for node in file.graph.node if node.name == "reads.input_quant.sparq")
    next(attribute for attribute in node.attribute if attribute.name == "shifts").ints[:] = [0, 4]
    onnx.save(file, path)
    assert not verify_export(model, path, x).ok


def test_the_model_is_as_it_was(tmp_path: Path) -> None:
    model, x = sparq_network(), torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        before = model(x)
        export_qonnx(model, x, tmp_path / "sparq.onnx")
        assert torch.equal(model(x), before)
    assert not any(isinstance(module, nn.Module) and module.training for module in model.modules())


class Shortcut(nn.Module):
    """A residual network whose second stage has more channels than what goes around it, filled with zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.conv, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 8, 1, 2), nn.Conv2d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = torch.relu(self.first(x))
        around = nn.functional.pad(kept[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
        return self.last(torch.relu(self.conv(kept) + around))


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_shapes_behind_padded_channels_are_known(exporter: str, tmp_path: Path) -> None:
    model = sparq_ptq(Shortcut(), images())
    path = export_qonnx(model, images(1, 1)[0], tmp_path / "shortcut.onnx", exporter=exporter)
    verify_export(model, path, images(1, 2)[0]).check()
    shapes = [value.type.tensor_type.shape.dim for value in onnx.load(path).graph.value_info]
    assert all(size.dim_value > 0 for shape in shapes for size in shape)
