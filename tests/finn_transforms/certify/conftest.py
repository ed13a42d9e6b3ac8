"""A build with its certificates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from finn_transforms.build import build
from tests.support.small_network import save_small_network


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    build(save_small_network(folder / "net.onnx"), folder / "out")
    return folder / "out"


@pytest.fixture
def model(built: Path) -> onnx.ModelProto:
    return onnx.load(built / "hw_graph.onnx")


@pytest.fixture
def document(built: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((built / "report" / "certificates.json").read_text())
    return content
