"""Every pattern comes out right, or is refused with a reason, over the whole range of its accumulator."""

from __future__ import annotations

import re

import onnx_ir as ir
import pytest

from finn_transforms.passes import LoweringResult, lower_to_hardware
from tests.support import patterns
from tests.support.graphs import array_of, only
from tests.support.patterns import catalogue, judge

PATTERNS = catalogue()

# Why a pattern is left on the host; every other one becomes hardware.
REFUSED = {
    "structure/residual_other_scales": "is not exact in float32",
    "structure/pixel_shuffle": "FINN has no layer that turns channels into pixels",
}

# One of each kind for the slower exporter.
BY_DYNAMO = (
    "activation/gelu",
    "activation/hardswish",
    "activation/prelu",
    "quantizer/per_channel_scale",
    "quantizer/ties_round",
    "quantizer/zero_point_before_a_layer",
    "structure/concat_other_scales",
    "structure/residual_dyadic_scales",
    "structure/truncated_average_pool",
    "structure/xnor",
)


@pytest.mark.filterwarnings("ignore:Computing zero point of output accumulator:UserWarning")
@pytest.mark.parametrize(
    ("name", "exporter"), [*((name, "torchscript") for name in PATTERNS), *((name, "dynamo") for name in BY_DYNAMO)]
)
def test_pattern(name: str, exporter: str) -> None:
    verdict = judge(PATTERNS[name](), exporter)
    if name in REFUSED:
        assert verdict.kind == "refused"
        assert re.search(REFUSED[name], verdict.detail)
    else:
        assert (verdict.kind, verdict.detail) == ("right", "")


def test_one_wrong_threshold_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def altered(model: ir.Model) -> LoweringResult:
        result = lower_to_hardware(model)
        thresholds = only(model, "Thresholding").inputs[1]
        array = array_of(thresholds).copy()
        array[-1, 3] += 1
        thresholds.const_value = ir.tensor(array)
        return result

    monkeypatch.setattr(patterns, "lower_to_hardware", altered)
    verdict = judge(PATTERNS["quantizer/round"]())
    assert (verdict.kind, verdict.detail) == ("wrong", f"1 of {1024 * patterns.CHANNELS} outputs differ")
