"""Normalization by statistics of the input itself, which no constant threshold can take in."""

from __future__ import annotations

from typing import Final

import onnx_ir as ir

from finn_transforms.analysis.matching import NoMatchError

_NORMALIZATIONS: Final = frozenset(
    {
        "GroupNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "LpNormalization",
        "MeanVarianceNormalization",
        "RMSNormalization",
        "SimplifiedLayerNormalization",
    }
)
_STATISTICS: Final = frozenset(
    {"ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare"}
)


def run_time_statistics(node: ir.Node) -> NoMatchError | None:
    """Return why a node that normalizes, or computes what others normalize by, stays on the host; None for others.

    Layer norm in its L1 form comes as ``ReduceMean``, ``Sub``, ``Abs`` and ``ReduceMean`` again, in its usual one as
    ``LayerNormalization`` or with ``Pow``.
    """
    if node.domain != "" or node.op_type not in _NORMALIZATIONS | _STATISTICS:
        return None
    what = "normalizes by" if node.op_type in _NORMALIZATIONS else "computes"
    return NoMatchError(
        f"{node.op_type} {node.name!r} {what} run-time statistics, as layer norm does: they differ from input to "
        "input, and thresholds are constants",
        "Use batch norm, L1BatchNorm or another one, whose statistics are constants in evaluation mode, or leave the "
        "layers from here to the next quantizer on the host",
    )
