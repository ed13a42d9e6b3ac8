"""What a dot product over SPARQ activations can reach: a wide value has a zero beside it."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from brevitas_ext.arith.accumulator import IntArray, dot_extremes, integer_array
from brevitas_ext.arith.sparq import SparqFormat

_INT64_BITS = 63
_ACTIVATION_AND_SIGN_BITS = 9


def sparq_dot_extremes(weights: ArrayLike, sparq: SparqFormat) -> tuple[IntArray, IntArray]:
    """Return the exact extremes of ``weights @ sparq(x)`` over all 8-bit activations x.

    In pairs, the products of the inputs 2i and 2i + 1 are bounded together: both are narrow, or one is zero and the
    other wide.  Zero is an activation, so the extremes are also those of every partial sum of pairs in every order.

    Args:
        weights: integers (C, K), a row per output channel, inputs in the order in which they are paired; an odd tail is
            paired with zero.
        sparq: the format.

    Returns:
        ``(lowest, highest)``, object arrays of Python ints, shape (C,).  Both are attained.

    Raises:
        TypeError: the weights are no integers.
        ValueError: they are no matrix.
    """
    matrix = integer_array("weights", weights)
    if matrix.ndim != 2:
        raise ValueError(f"weights: expected shape (C, K), got {matrix.shape}")
    if not sparq.pairs:
        return dot_extremes(matrix, 0, int(sparq.narrow_values.max()))
    if matrix.shape[1] % 2:
        matrix = np.concatenate([matrix, np.zeros_like(matrix[:, :1])], axis=1)
    largest = max((abs(int(end)) for end in (matrix.min(), matrix.max())), default=0) if matrix.size else 0
    if largest.bit_length() + matrix.shape[1].bit_length() + _ACTIVATION_AND_SIGN_BITS > _INT64_BITS:
        matrix = matrix.astype(object)
    first, second = matrix[:, 0::2], matrix[:, 1::2]
    lowest = highest = np.zeros_like(first)
    for a, b in _corners(sparq):
        reached = first * a + second * b
        lowest, highest = np.minimum(lowest, reached), np.maximum(highest, reached)
    return lowest.sum(axis=1).astype(object), highest.sum(axis=1).astype(object)


def _corners(sparq: SparqFormat) -> list[tuple[int, int]]:
    """Return what pairs can be worth, as far as a linear function may be extreme there; (0, 0) is left out."""
    narrow = (int(sparq.narrow_values[1:].min()), int(sparq.narrow_values.max()))
    wide = (int(sparq.wide_values[1:].min()), int(sparq.wide_values.max()))
    return [*product(narrow, narrow), *((value, 0) for value in wide), *((0, value) for value in wide)]
