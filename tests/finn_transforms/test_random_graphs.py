"""Random networks with branches: every stage computes the same, and FINN's own nodes agree."""

import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings

from brevitas_ext.export import export_qonnx
from brevitas_ext.export.tracing import Exporter
from finn_transforms.loading import load_model
from tests.support.brevitas_graphs import brevitas_graph
from tests.support.fuzz import check_finn, check_graph, check_stages
from tests.support.random_graphs import Graph, graphs


@settings(max_examples=30)
@given(spec=graphs)
def test_every_stage_computes_the_same(spec: Graph) -> None:
    assert not check_graph(spec).unexpected


@settings(max_examples=10)
@given(spec=graphs)
def test_finn_computes_the_same(spec: Graph) -> None:
    check_finn(spec)


@pytest.mark.parametrize(("exporter", "examples"), [("torchscript", 12), ("dynamo", 3)])
def test_exported_networks(exporter: Exporter, examples: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("exported")

    @settings(max_examples=examples)
    @given(spec=graphs)
    def check(spec: Graph) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network, images = brevitas_graph(spec)
            export_qonnx(network, images[:1], folder / "network.onnx", exporter=exporter)
        assert not check_stages(load_model(folder / "network.onnx"), images.numpy(), exact=False).unexpected

    check()
