"""The order in which a stream has the channels of the exported graph, where a pass changed it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

_KEY: Final = "finn_transforms.channel_order"


def channel_order(node: ir.Node) -> NDArray[np.int64] | None:
    """Return which channel of the exported graph each channel of a layer's output is; None where they are the same."""
    text = node.metadata_props.get(_KEY)
    return None if text is None else np.array(text.split(), dtype=np.int64)


def in_exported_order(node: ir.Node, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what a layer has for each output channel, (C, ...), in the order of the exported graph."""
    order = channel_order(node)
    return rows if order is None else rows[np.argsort(order)]


def reorder(node: ir.Node, order: Sequence[int] | NDArray[np.int64]) -> None:
    """Note that a layer's output now has channel ``order[c]`` of before at each c."""
    before = channel_order(node)
    now = np.asarray(order) if before is None else before[np.asarray(order)]
    node.metadata_props[_KEY] = " ".join(map(str, now.tolist()))
