"""Every accumulator width, in one file per exporter: the trained integers, and never an overflow."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from brevitas_ext.arith import dot_extremes, signed_bits
from brevitas_ext.export import verify_export
from brevitas_ext.export.proof import quantized_constants
from tests.brevitas_ext.export.models import EXPORTERS, PROMISES, contract_of, every_promise, export


@pytest.fixture(scope="module", params=EXPORTERS)
def promises(request, tmp_path_factory):
    example = torch.randn(2, 6, 5, 5, generator=torch.Generator().manual_seed(3))
    return export(every_promise(), example, tmp_path_factory.mktemp("promises"), request.param)


class TestEveryPromise:
    """P in 8..20, each with signed and with unsigned input."""

    def test_integers_are_the_trained_ones(self, promises):
        found = quantized_constants(promises.file)
        assert len(found) == 2 * len(PROMISES)
        for name, constant in found.items():
            layer = promises.model.get_submodule(name.removesuffix(".weight_quant"))
            expected = layer.quant_weight().int().numpy()
            np.testing.assert_array_equal(constant.integers, expected)
            assert np.abs(expected).sum() > 0

    def test_no_sum_ever_overflows(self, promises):
        found = quantized_constants(promises.file)
        contract = contract_of(promises.file)
        assert [layer.accumulator_bits for layer in contract.layers] == [*PROMISES, *PROMISES]
        assert {(layer.input_low, layer.input_high) for layer in contract.layers} == {(-16, 15), (0, 31)}
        for layer in contract.layers:
            weights = found[f"{layer.layer}.weight_quant"].integers.reshape(5, -1)
            lowest, highest = dot_extremes(weights, layer.input_low, layer.input_high, partial_sums=True)
            assert signed_bits(int(min(lowest)), int(max(highest))) <= layer.accumulator_bits
            assert layer in contract.candidates(weights)

    def test_narrow_promises_are_tight(self, promises):
        """The test above would hold for zeros; small budgets must be used up to a bit."""
        for layer in contract_of(promises.file).layers:
            if layer.accumulator_bits > 10:
                continue
            weights = quantized_constants(promises.file)[f"{layer.layer}.weight_quant"].integers.reshape(5, -1)
            lowest, highest = dot_extremes(weights, layer.input_low, layer.input_high, partial_sums=True)
            assert signed_bits(int(min(lowest)), int(max(highest))) >= layer.accumulator_bits - 1

    def test_the_integers_agree_everywhere(self, promises):
        verification = verify_export(promises.model, promises.path, promises.example)
        assert verification.ok, str(verification)
