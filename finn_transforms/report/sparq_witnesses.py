"""Activations that drive the accumulator of a SPARQ unit to its extremes."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import SparqFormat
from finn_transforms.analysis.accumulators import Accumulator, Overflow
from finn_transforms.report.witnesses import Witness, run_lengths


def sparq_witness(
    node: ir.Node, accumulator: Accumulator, overflow: Overflow, rows: NDArray[Any], *, upward: bool
) -> Witness:
    """Return the activations, before any window, that reach the highest or lowest sum of a ``SparqMVAU``.

    Returns:
        As `unit_witness`: ``value``, ``channel`` and ``inputs``, all of which are added.

    Raises:
        ValueError: the layer reads no code.
    """
    products = accumulator.products
    if products is None or products.sparq is None:
        raise ValueError(f"expected a layer that reads SPARQ's code, got {node.name!r}")
    low, high = accumulator.extremes(overflow)
    channel = int(np.argmax(high) if upward else np.argmin(low))
    row = rows[channel] if upward else -rows[channel]
    paired = np.concatenate([row, np.zeros(len(row) % 2, dtype=row.dtype)]).reshape(-1, 2)
    corners = _corners(products.sparq)
    best = (paired @ products.sparq(corners, axis=-1).T).argmax(axis=1)
    return {
        "value": int((high if upward else low)[channel]),
        "channel": channel,
        "inputs": run_lengths(corners[best].reshape(-1)[: len(row)]),
        "first": run_lengths([1] * len(row)),
    }


def _corners(sparq: SparqFormat) -> NDArray[np.int64]:
    """Return pairs of activations, among them those of which a linear function of their worth is extreme."""
    tables = [sparq.narrow_values[1:], sparq.wide_values[1:]] if sparq.pairs else [sparq.narrow_values[1:]]
    single = sorted({0, *(1 + int(pick(table)) for table in tables for pick in (np.argmin, np.argmax))})
    return np.array(list(product(single, repeat=2)), dtype=np.int64)
