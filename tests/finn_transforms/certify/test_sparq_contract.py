"""What training promised about a layer holds behind SPARQ's windows, and is proved by what the code is worth."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from brevitas_ext.qonnx_ops import METADATA_KEY, AccumulatorContract, LayerContract, channel_digests
from brevitas_ext.qonnx_ops.sparq import DOMAIN, Sparq, SparqFormat
from finn_transforms.certify import certify
from finn_transforms.passes import BrokenContractError, lower_to_hardware
from finn_transforms.report import certificates
from tests.support.certified import problems
from tests.support.graphs import GraphBuilder, op_types

WEIGHTS = np.random.default_rng(0).integers(-7, 8, (4, 4, 3, 3))


def promised(*, bits: int = 18, input_high: int = 255) -> ir.Model:
    """Return a convolution behind SPARQ whose accumulator was promised some bits."""
    promise = LayerContract(
        layer="conv",
        accumulator_bits=bits,
        bound="a2q",
        overflow="any_order",
        input_low=0,
        input_high=input_high,
        channel_digests=channel_digests(WEIGHTS.reshape(4, -1)),
    )
    graph = GraphBuilder((1, 4, 5, 5))
    kept = graph.quant("x", 0.125, 8)
    values = Sparq(format=SparqFormat.named("4b5opt")).attributes
    coded = graph.node("Sparq", [kept, graph.constant(0.125, "scale")], domain=DOMAIN, **values)
    output = graph.node("Conv", [coded, graph.weights(WEIGHTS, 0.5, bits=4)])
    return graph.model(output, metadata={METADATA_KEY: AccumulatorContract(layers=(promise,)).to_json()})


def test_a_kept_promise_is_proved_twice() -> None:
    model = promised()
    lowered = lower_to_hardware(model)
    assert "SparqMVAU" in op_types(model)
    assert any(rewrite.pass_name == "CheckAccumulatorContract" for rewrite in lowered.rewrites)
    verdicts = certify(ir.serde.serialize_model(model), certificates(model))
    assert problems(verdicts) == ""
    assert {verdict.kind for verdict in verdicts} == {"accumulator", "contract"}


def test_activations_beyond_the_promise_break_it() -> None:
    with pytest.raises(BrokenContractError, match=r"promised for inputs in\s+\[0, 15\]"):
        lower_to_hardware(promised(input_high=15))
