"""FINN's ``MVAU_rtl`` with another inside: the unit in LUTs, or FINN's own on DSP slices with a cost in LUTs.

Imports FINN; `register` loads this module once FINN can be imported.
"""

from __future__ import annotations

from typing import Any

from finn.custom_op.fpgadataflow.rtl.matrixvectoractivation_rtl import MVAU_rtl as FinnMvauRtl
from onnx import NodeProto
from qonnx.util.basic import get_by_name

from finn_transforms.hw.unit_operator import EstimatedOperator, UnitOperator


class DspMvau(EstimatedOperator, FinnMvauRtl):
    """FINN's own unit on DSP slices; the LUTs around them are counted."""


class LutMvau(UnitOperator, FinnMvauRtl):
    """The matrix-vector unit of `finn_transforms.rtl`: products and sums in LUTs, weights in a memory inside."""


def _is_in_luts(node: NodeProto) -> bool:
    attribute = get_by_name(node.attribute, "resType")
    return attribute is not None and attribute.s == b"lut"


class MVAU_rtl(FinnMvauRtl):  # noqa: N801 - operators have the name of their class
    """What ``MVAU_rtl`` is once registered: `LutMvau` with ``resType = "lut"``, else `DspMvau`."""

    def __new__(cls, onnx_node: NodeProto, **options: Any) -> Any:
        """Return the operator of a node."""
        return (LutMvau if _is_in_luts(onnx_node) else DspMvau)(onnx_node, **options)


OPERATORS: tuple[type[Any], ...] = (MVAU_rtl,)
