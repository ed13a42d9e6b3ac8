"""What FINN's SpecializeLayers makes of a hardware graph."""

from __future__ import annotations

import warnings

import onnx_ir as ir
from qonnx.core.modelwrapper import ModelWrapper

from finn_transforms.analysis.matching import HARDWARE_DOMAIN
from finn_transforms.finn_compat import prepare_finn
from tests.support.graphs import wrapper

PART = "xczu7ev-ffvc1156-2-e"


def specialized(model: ir.Model, part: str = PART) -> ModelWrapper:
    """Return a copy in which FINN chose HLS or RTL for every hardware layer.

    Raises:
        AssertionError: it left one as it was.
    """
    prepare_finn()
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers

    with warnings.catch_warnings():
        # FINN explains each layer that it builds in HLS rather than RTL.
        warnings.simplefilter("ignore")
        result = wrapper(model).transform(SpecializeLayers(part))
    left = [f"{node.op_type} {node.name}" for node in result.graph.node if node.domain == HARDWARE_DOMAIN]
    assert not left, f"SpecializeLayers left {left}"
    return result
