"""How a checkpoint of Brevitas's own accumulator-aware quantizers becomes one of ours."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

StateDict: TypeAlias = dict[str, Any]

SMALLEST_SCALE = 1e-10
"""Brevitas's floor for scales."""


def convert_brevitas_keys(state_dict: StateDict, prefix: str) -> None:
    """Rename the parameters of Brevitas's A2Q quantizers, and unite their two scales.

    Brevitas computes integers with ``min(2**t / 2**d_pre, budget)`` and dequantizes with ``2**d_post``.  With the one
    scale ``d_post``, the norm ``t + d_post - d_pre`` gives the same integers and the same values, up to the float
    rounding of that sum, which matters only for a weight within rounding of a whole number of steps.
    """
    pre, post = prefix + "pre_scaling_impl.", prefix + "scaling_impl."
    old = {
        "t": _pop(state_dict, pre),
        "d_pre": _pop(state_dict, pre + "scaling_impl."),
        "d_post": _pop(state_dict, post),
    }
    if any(value is None for value in old.values()):
        return
    # All-zero channels have minus infinity in their logarithms.
    t, d_pre, d_post = (value.clamp(min=math.log2(SMALLEST_SCALE)) for value in old.values())
    # In double, so that equal scales cancel exactly and a sum is rounded once.
    state_dict[prefix + "log_norm"] = (t.double() + d_post.double() - d_pre.double()).to(t.dtype)
    state_dict[prefix + "log_scale"] = d_post
    bits = state_dict.pop(pre + "accumulator_bit_width.bit_width", None)
    if bits is not None:
        state_dict[prefix + "accumulator_bit_width"] = bits


def _pop(state_dict: StateDict, prefix: str) -> Any:
    """Return a scale or norm of Brevitas under its present or its earlier name."""
    return state_dict.pop(prefix + "value", state_dict.pop(prefix + "learned_value", None))
