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


@settings(max_examples=15)
@given(spec=networks(), overflow=st.sampled_from(["any_order", "wrap"]))
def test_every_accumulator_is_certified(spec: NetworkSpec, overflow: Literal["any_order", "wrap"]) -> None:
    model = lower(qonnx_network(spec)).model
    MinimizeAccumulators(overflow=overflow)(model)
    document = json.loads(json.dumps(certificates(model)))
    verdicts = certify(ir.serde.serialize_model(model), document)
    assert [each.detail for each in verdicts if not each.ok] == [], [each for each in verdicts if not each.ok]
    assert len(verdicts) >= sum(node.op_type == "MVAU" for node in model.graph)
    # Nothing is wider than needed, but for what leaves the accelerator in whole bytes.
    assert all(each.minimal or "whole bytes" in each.detail for each in verdicts)
