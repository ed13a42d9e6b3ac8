"""The matrix-vector unit that shifts products: weights of input channels whose scales are powers of two of each other.

The left-shift form of ShiftQuant (Towards Accurate and Efficient Sub-8-Bit Integer Training), Eq. 46: the sum of
``(x_k * w_k) << shifts[k]`` over the inputs k, each with the exponent of its group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Attributes = Mapping[str, Any]

UNIT: Final = "ShiftMVAU"
"""The layer: FINN's ``MVAU``, whose weights (MW, MH) are unshifted, with ``shifts``, one exponent per row of them."""


def shifts_of(attributes: Attributes) -> tuple[int, ...]:
    """Return the exponent of each row of the weights of a ``ShiftMVAU``.

    Raises:
        KeyError: there are none.
        ValueError: they are not MW numbers from 0 on.
    """
    shifts = tuple(int(shift) for shift in attributes["shifts"])
    if len(shifts) != attributes["MW"] or min(shifts, default=0) < 0:
        raise ValueError(
            f"shifts: expected MW = {attributes['MW']} exponents from 0 on, found {len(shifts)} from "
            f"{min(shifts, default=0)} on; lower the model again"
        )
    return shifts


def folded_weights(attributes: Attributes, weights: Array) -> Array:
    """Return the weights (MW, MH) of the ``MVAU`` that computes the same, ``W << shifts[:, None]``, in their dtype."""
    powers = np.array([1 << shift for shift in shifts_of(attributes)], dtype=object)
    return np.asarray(weights * powers.astype(weights.dtype)[:, np.newaxis])
