"""Digests that recognise a layer by its integer weights after a compiler has moved them around."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_DIGEST_BYTES: Final = 8


def integer_rows(weights: NDArray[Any]) -> NDArray[Any]:
    """Returns weights of shape (C, K) in an integer dtype, or as Python ints where 64 bits do not hold them.

    Raises:
        ValueError: not a matrix, or an element is no integer.
    """
    matrix = np.asarray(weights)
    if matrix.ndim != 2:
        raise ValueError(
            f"Expected weights of shape (C, K), one row per output channel, found shape {matrix.shape}. Reshape them, "
            "e.g. weights.reshape(weights.shape[0], -1) for a convolution."
        )
    if matrix.dtype.kind in "iu":
        return matrix
    wrong = [(row, column) for row, column in np.ndindex(matrix.shape) if not _is_integer(matrix[row, column])]
    if wrong:
        row, column = wrong[0]
        raise ValueError(
            f"Expected integer weights, found {matrix[row, column]!r} in channel {row} at position {column}. "
            "Divide dequantized weights by their scale first."
        )
    exact = np.empty(matrix.shape, dtype=object)
    exact[...] = [[int(value) for value in row] for row in matrix]
    return exact


def channel_digests(weights: NDArray[Any]) -> tuple[str, ...]:
    """Digests the non-zero weights of every output channel as a multiset, without the sign of the whole channel.

    A digest therefore survives what a compiler does to a layer: reordering of the reduction dimension (lowering a
    convolution to a matrix product), padding it with zeros (a depthwise convolution as a dense matrix), dropping
    zeros, and negating the channel (a negative batch-norm scale). Any change of a magnitude changes it, up to the
    collision chance of 64 bits. It is a means of recognition, not a defence against a forger.

    Args:
        weights: Integer weights of shape (C, K); integral floats are taken as the integers they are.

    Returns:
        C hexadecimal strings of 16 characters. All-zero channels share one.

    Raises:
        ValueError: `weights` is not a matrix of integers.
    """
    return tuple(_channel_digest(row) for row in integer_rows(weights))


def _channel_digest(row: NDArray[Any]) -> str:
    values, counts = np.unique(row[row != 0], return_counts=True)
    pairs = [(int(value), int(count)) for value, count in zip(values, counts, strict=True)]
    mirrored = [(-value, count) for value, count in reversed(pairs)]
    return _digest(",".join(f"{value}*{count}" for value, count in max(pairs, mirrored)))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("ascii"), digest_size=_DIGEST_BYTES).hexdigest()


ZERO_CHANNEL: Final = _digest("")
"""The digest of a channel that has no weight but zeros."""


def _is_integer(value: object) -> bool:
    if isinstance(value, int | np.integer):
        return True
    return isinstance(value, float | np.floating) and float(value).is_integer()
