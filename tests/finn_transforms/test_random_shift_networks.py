"""Random networks with a scale per channel, built: every form computes the same, is certified and compares as equal."""

from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.build import BuildOptions, build
from finn_transforms.certify import certify
from finn_transforms.emulate import compile_emulator, emulate
from finn_transforms.passes import FoldShifts, SortChannels, lower_to_hardware
from finn_transforms.report import certificates
from finn_transforms.verify import verify
from tests.support.certified import problems
from tests.support.graphs import copy_of
from tests.support.random_shift_networks import ShiftNetworks


@pytest.mark.parametrize("seed", range(8))
def test_every_form_computes_the_same(seed: int) -> None:
    check(seed)


def check(seed: int) -> tuple[int, int]:
    """Build one network and check it in every form; return how many units shift products, and how many are sorted."""
    networks = ShiftNetworks(seed)
    model = networks.network()
    x, output = networks.images(model), str(model.graph.outputs[0].name)
    expected = emulate(model, {"x": x})[output]
    hardware = copy_of(model)
    lower_to_hardware(hardware)
    assert np.array_equal(emulate(hardware, {"x": x})[output], expected)
    ordered = copy_of(hardware)
    sorts = SortChannels()(ordered).rewrites  # type: ignore[attr-defined]
    folded = copy_of(ordered)
    FoldShifts()(folded)
    chosen = build(model, options=BuildOptions(target_fps=float(np.random.default_rng(seed).choice([1e5, 1e6]))))
    for each in (hardware, ordered, folded, chosen.model):
        assert np.array_equal(emulate(each, {"x": x})[output], expected)
        assert np.array_equal(compile_emulator(each)({"x": x})[output], expected)
        document = json.loads(json.dumps(certificates(each)))
        assert problems(certify(ir.serde.serialize_model(each), document)) == ""
        compared = verify(each, model, {"x": x})
        assert compared.ok
        assert not compared.unaligned
    return sum(node.op_type == "ShiftMVAU" for node in hardware.graph), len(sorts)
