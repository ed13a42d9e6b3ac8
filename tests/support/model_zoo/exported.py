"""Exporting a network without what torch and Brevitas say about their own code."""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx_ir as ir
from torch import nn

from brevitas_ext.export import export_qonnx
from brevitas_ext.export.tracing import Exporter
from finn_transforms.loading import load_model
from tests.support.model_zoo.catalogue import ZooModel


def exported_model(zoo: ZooModel, exporter: Exporter = "torchscript", *, network: nn.Module | None = None) -> ir.Model:
    """Return the QONNX graph of a network for one image."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        export_qonnx(network or zoo.build(), zoo.images(1), path, exporter=exporter)
        return load_model(path)
