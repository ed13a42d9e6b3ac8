"""Registers our operators for the tests of a module, and leaves FINN as it was to others of this process."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from finn_transforms.finn_compat import prepare_finn
from finn_transforms.hw import register


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    prepare_finn()
    from finn.custom_op.fpgadataflow.rtl import custom_op as rtl_variants
    from finn.transformation.fpgadataflow import specialize_layers
    from qonnx.custom_op import registry
    from qonnx.transformation import base

    domains = ("finn.custom_op.fpgadataflow", "finn.custom_op.fpgadataflow.rtl")
    with (
        patch.object(specialize_layers, "_mvu_rtl_possible", specialize_layers._mvu_rtl_possible),
        patch.object(base, "mp", base.mp),
        patch.dict(registry._OP_REGISTRY.setdefault(domains[0], {})),
        patch.dict(registry._OP_REGISTRY.setdefault(domains[1], {})),
        patch.dict(rtl_variants),
    ):
        register()
        yield
