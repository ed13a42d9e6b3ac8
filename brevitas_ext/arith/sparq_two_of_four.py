"""SPARQ beside 2:4 structured weights: activations are selected first and paired after it, SPARQ section 5.4.

Of every four adjacent weights of an output channel at most two are not zero, and only these two are multiplied.  The
activations at their places become a pair, so that a pair, unlike in `vsparq`, is an output channel's own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brevitas_ext.arith.accumulator import integer_array
from brevitas_ext.arith.sparq import SparqFormat, activations

GROUP = 4
KEPT = 2


def two_of_four_places(weights: ArrayLike) -> NDArray[np.int64]:
    """Return which inputs each output channel reads.

    Args:
        weights: integers (C, K), K a multiple of four, the reduction dimension in the order in which activations are
            grouped.

    Returns:
        Indices into K, ascending, shape (C, K / 2): the two non-zero weights of every four.  Where fewer than two are
        not zero, the first zeros of the four make up for them.

    Raises:
        TypeError: the weights are no integers.
        ValueError: K is no multiple of four, or four weights hold more than two that are not zero.
    """
    matrix = integer_array("weights", weights)
    if matrix.ndim != 2 or matrix.shape[1] % GROUP:
        raise ValueError(
            f"2:4 sparsity: expected weights of shape (C, K) with K a multiple of {GROUP}, got {matrix.shape}; pad the "
            "reduction dimension with zeros"
        )
    groups = (matrix != 0).reshape(matrix.shape[0], -1, GROUP)
    if (crowded := np.argwhere(groups.sum(axis=2) > KEPT)).size:
        channel, group = (int(index) for index in crowded[0])
        raise ValueError(
            f"2:4 sparsity: expected at most {KEPT} non-zero weights in every {GROUP}, got "
            f"{matrix[channel, group * GROUP : (group + 1) * GROUP].tolist()} in channel {channel} at position "
            f"{group * GROUP}; prune the weights first"
        )
    places = np.sort(np.argsort(~groups, axis=2, kind="stable")[:, :, :KEPT], axis=2)
    starts = np.arange(0, matrix.shape[1], GROUP)[None, :, None]
    return np.asarray((places + starts).reshape(matrix.shape[0], -1), dtype=np.int64)


def sparq_two_of_four(x: ArrayLike, weights: ArrayLike, sparq: SparqFormat) -> NDArray[np.int64]:
    """Return what the selected activations of every output channel are worth.

    Args:
        x: integers from 0 to 255, shape (..., K).
        weights: 2:4 sparse integers (C, K).
        sparq: the format; with `pairs`, the two activations selected from a group of four are one.

    Returns:
        Integers (..., C, K / 2), in the order of `two_of_four_places`.

    Raises:
        TypeError: an array does not hold integers.
        ValueError: see `two_of_four_places` and `vsparq`, or the lengths of `x` and `weights` differ.
    """
    values = activations(x)
    places = two_of_four_places(weights)
    length = np.asarray(weights).shape[1]
    if values.ndim == 0 or values.shape[-1] != length:
        raise ValueError(f"2:4 sparsity: expected activations of shape (..., {length}), got {values.shape}")
    return sparq(values[..., places])


def sparq_dot_two_of_four(x: ArrayLike, weights: ArrayLike, sparq: SparqFormat) -> NDArray[np.int64]:
    """Return the products of a 2:4 sparse layer with SPARQ activations, shape (..., C).

    Arguments and errors are those of `sparq_two_of_four`; sums of more than 63 bits are not expected of 8-bit
    activations and weights.
    """
    selected = sparq_two_of_four(x, weights, sparq)
    matrix = np.asarray(integer_array("weights", weights).astype(np.int64))
    return np.asarray((selected * np.take_along_axis(matrix, two_of_four_places(matrix), axis=1)).sum(axis=-1))
