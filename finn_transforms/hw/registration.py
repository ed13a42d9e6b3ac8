"""Making FINN know our operators, in this process and in the workers that FINN starts."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.pool import Pool
from types import SimpleNamespace
from typing import Any

from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import add_op_to_domain

from finn_transforms.analysis.matching import HARDWARE_DOMAIN
from finn_transforms.finn_compat import prepare_finn
from finn_transforms.hw.node_unit import constants_of, layer_of_node
from finn_transforms.hw.selection import refusal_of

_RTL_DOMAIN = "finn.custom_op.fpgadataflow.rtl"


def register() -> None:
    """Let ``MVAU_rtl`` with ``resType = "lut"`` be our unit in LUTs, and FINN know our own layers.

    Does nothing the second time.

    1. The operator takes the place of FINN's in QONNX' registry, under FINN's exact domain: FINN recognises layers by
       domain and name.  Our own layers join them, in the domains of FINN's own.
    2. ``SpecializeLayers`` asks FINN's ``_mvu_rtl_possible`` whether an MVAU may become ``MVAU_rtl``; for such nodes
       it is answered here.
    3. Workers that QONNX starts (``NodeLocalTransformation``: ``HLSSynthIP``, ``PrepareRTLSim``) are fresh processes
       on every platform FINN chooses ``spawn`` for, with FINN's operators only: they register ours first.

    A process that never registered stops at such a node with FINN's own error, that its RTL unit has no LUT variant.

    Raises:
        FinnMissingError: FINN is not installed.
    """
    prepare_finn()
    from finn.custom_op.fpgadataflow.rtl import custom_op as rtl_variants
    from finn.transformation.fpgadataflow import specialize_layers
    from qonnx.transformation import base

    from finn_transforms.hw import shift_operator, sparq_operators
    from finn_transforms.hw.operators import OPERATORS

    specialized = (*sparq_operators.SPECIALIZED, *shift_operator.SPECIALIZED)
    for operator in (*OPERATORS, *specialized):
        add_op_to_domain(_RTL_DOMAIN, operator)
    for operator in (*sparq_operators.GENERIC, *shift_operator.GENERIC):
        add_op_to_domain(HARDWARE_DOMAIN, operator)
    # Where ``SpecializeLayers`` looks for variants.
    rtl_variants.update({operator.__name__: operator for operator in specialized})
    if not isinstance(specialize_layers._mvu_rtl_possible, _Possible):
        specialize_layers._mvu_rtl_possible = _Possible(specialize_layers._mvu_rtl_possible)
    if base.mp is multiprocessing:
        names: Any = base
        names.mp = SimpleNamespace(Pool=_registering_pool, cpu_count=multiprocessing.cpu_count)


class _Possible:
    """Answers whether an MVAU may become ``MVAU_rtl``: ours for ``resType = "lut"``, FINN's answer for others."""

    def __init__(self, otherwise: Callable[[NodeProto, str, ModelWrapper], bool]) -> None:
        self._otherwise = otherwise

    def __call__(self, node: NodeProto, fpgapart: str, model: ModelWrapper) -> bool:
        if not any(attribute.name == "resType" and attribute.s == b"lut" for attribute in node.attribute):
            return self._otherwise(node, fpgapart, model)
        return refusal_of(*layer_of_node(node, constants_of(node, model))) is None


def _registering_pool(processes: int | None = None, **options: Any) -> Pool:
    return multiprocessing.Pool(processes, initializer=register, **options)
