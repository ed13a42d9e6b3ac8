"""Certificates of units that read SPARQ's code: their windows are computed anew, and what does not hold is seen."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from brevitas_ext.arith.sparq import WINDOW_SETS, SparqFormat
from brevitas_ext.arith.sparq_extremes import sparq_dot_extremes
from brevitas_ext.export import export_qonnx
from finn_transforms.certify import certify
from finn_transforms.certify.graph import read_graph
from finn_transforms.certify.sparq import SparqUnit, read_sparq_unit
from finn_transforms.loading import load_model
from finn_transforms.passes import lower_to_hardware
from finn_transforms.report import certificates
from tests.support.certified import problems, state
from tests.support.random_sparq_networks import Recipe, random_image, random_network


def certified(seed: int, folder: Path) -> tuple[onnx.ModelProto, dict[str, Any]]:
    recipe = Recipe.random(seed)
    network = random_network(recipe, seed)
    model = load_model(export_qonnx(network, random_image(recipe, seed), folder / "network.onnx"))
    lower_to_hardware(model)
    return ir.serde.serialize_model(model), certificates(model)


def unit_of(proto: onnx.ModelProto) -> tuple[SparqUnit, SparqFormat]:
    graph = read_graph(proto)
    layer = next(layer for layer in graph.layers if layer.kind == "SparqMVAU")
    unit, attributes = read_sparq_unit(graph, layer), layer.attributes
    assert unit is not None
    sparq = SparqFormat(
        bits=attributes["bits"],
        shifts=tuple(attributes["shifts"]),
        rounding=bool(attributes["rounding"]),
        overflow=attributes["overflow"],
        pairs=bool(attributes["pairs"]),
    )
    return unit, sparq


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_every_accumulator_is_certified(seed: int, tmp_path: Path) -> None:
    proto, document = certified(seed, tmp_path)
    verdicts = certify(proto, document)
    assert len(verdicts) == len(document["accumulators"]) > 0
    assert problems(verdicts) == ""
    unit, sparq = unit_of(proto)
    lowest, highest = sparq_dot_extremes(unit.weights.astype(np.int64), sparq)
    assert all(map(np.array_equal, unit.sums(), (lowest, highest)))


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize("overflow", ["saturate", "carry"])
@pytest.mark.parametrize("rounding", [True, False])
@pytest.mark.parametrize("name", WINDOW_SETS)
def test_windows_are_the_golden_ones(name: str, rounding: bool, overflow: Any, pairs: bool, tmp_path: Path) -> None:
    proto, _ = _shared(tmp_path)
    sparq = SparqFormat.named(name, rounding=rounding, overflow=overflow, pairs=pairs)
    node = next(node for node in proto.graph.node if node.op_type == "SparqMVAU")
    values = {"bits": sparq.bits, "shifts": sparq.shifts, "rounding": rounding, "overflow": overflow, "pairs": pairs}
    kept = [attribute for attribute in node.attribute if attribute.name not in values]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(onnx.helper.make_attribute(key, _plain(value)) for key, value in values.items())
    unit, read = unit_of(proto)
    assert read == sparq
    assert unit.alone == sparq.narrow_values.tolist()
    assert unit.beside_zero == sparq.wide_values.tolist()
    x = np.random.default_rng(0).integers(0, 256, 64) * np.random.default_rng(1).integers(0, 2, 64)
    assert unit.worth(x.tolist()) == sparq(x, axis=-1).tolist()


# A network of two layers.
_WITH_THRESHOLDS = next(seed for seed in range(20) if len(Recipe.random(seed).kernels) > 1)
_KEPT: dict[str, tuple[onnx.ModelProto, dict[str, Any]]] = {}


def _shared(folder: Path) -> tuple[onnx.ModelProto, dict[str, Any]]:
    if "network" not in _KEPT:
        _KEPT["network"] = certified(0, folder)
    proto, document = _KEPT["network"]
    again = onnx.ModelProto()
    again.CopyFrom(proto)
    return again, copy.deepcopy(document)


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else list(value) if isinstance(value, tuple) else value


def _record(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["accumulators"][0]
    assert found["op_type"] == "SparqMVAU"
    return found


def test_a_narrower_accumulator_is_seen(tmp_path: Path) -> None:
    proto, document = _shared(tmp_path)
    record = _record(document)
    narrower = f"INT{int(record['data_type'][3:]) - 8}"
    for attribute in ("accDataType", "outputDataType"):
        state(proto, record["name"], attribute, narrower)
    record["data_type"] = narrower
    assert "a sum reaches" in problems(certify(proto, document))


def test_a_type_too_narrow_for_the_sums_is_seen_behind_the_unit(tmp_path: Path) -> None:
    proto, document = certified(_WITH_THRESHOLDS, tmp_path)
    unit = next(node for node in proto.graph.node if node.op_type == "SparqMVAU")
    reader = next(node for node in proto.graph.node if unit.output[0] in node.input)
    assert problems(certify(proto, document)) == ""
    state(proto, reader.name, "inputDataType", "INT8")
    assert "inputDataType INT8 holds [-128, 127], the graph has" in problems(certify(proto, document))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda record: record["highest"].update(value=record["highest"]["value"] + 1), "the highest sum is"),
        (lambda record: record["lowest"].update(inputs=f"0*{record['k']}"), "adds up to 0"),
        (lambda record: record["lowest"].update(inputs=f"256*{record['k']}"), "is no"),
        (lambda record: record["weights"].update(sha256="0"), "the weights have SHA-256"),
        (lambda record: record.update(overflow="always"), "overflow is 'always'"),
    ],
)
def test_what_does_not_hold_is_seen(change: Any, problem: str, tmp_path: Path) -> None:
    proto, document = _shared(tmp_path)
    change(_record(document))
    assert problem in problems(certify(proto, document))
