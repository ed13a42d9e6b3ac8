"""Certificates of whole random networks replay."""

from __future__ import annotations

import json
from typing import Literal

import onnx_ir as ir
from hypothesis import given, settings
from hypothesis import strategies as st

from finn_transforms.build import lower
from finn_transforms.certify import certify
from finn_transforms.passes import MinimizeAccumulators
from finn_transforms.report import certificates
from tests.support.networks import NetworkSpec, networks, qonnx_network
from tests.support.random_graphs import Graph, graphs, random_graph

Overflow = Literal["any_order", "wrap"]
overflows: st.SearchStrategy[Overflow] = st.sampled_from(["any_order", "wrap"])


def assert_certified(model: ir.Model, overflow: Overflow) -> None:
    model = lower(model).model
    MinimizeAccumulators(overflow=overflow)(model)
    document = json.loads(json.dumps(certificates(model)))
    verdicts = certify(ir.serde.serialize_model(model), document)
    assert [each for each in verdicts if not each.ok] == []
    assert len(verdicts) >= sum(node.op_type in {"MVAU", "VVAU"} for node in model.graph)
    # Nothing is wider than needed, but for what leaves the accelerator in whole bytes and types that FINN derives.
    assert all(each.minimal or "whole bytes" in each.detail or "FINN derives" in each.detail for each in verdicts)


@settings(max_examples=15)
@given(spec=networks(), overflow=overflows)
def test_chains(spec: NetworkSpec, overflow: Overflow) -> None:
    assert_certified(qonnx_network(spec), overflow)


@settings(max_examples=15)
@given(spec=graphs, overflow=overflows)
def test_branches(spec: Graph, overflow: Overflow) -> None:
    assert_certified(random_graph(spec), overflow)
