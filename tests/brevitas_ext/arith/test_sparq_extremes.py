"""Extremes of dot products over SPARQ activations, against all pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brevitas_ext.arith import dot_extremes
from brevitas_ext.arith.sparq import WINDOW_SETS, SparqFormat
from brevitas_ext.arith.sparq_extremes import sparq_dot_extremes

PAIRS = np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij"), axis=-1).reshape(-1, 2)
FORMATS = [
    SparqFormat(bits=2, shifts=(0, 6), rounding=False),
    *(SparqFormat.named(name, pairs=pairs) for name in WINDOW_SETS for pairs in (True, False)),
]
REACHED = {sparq: np.unique(sparq(PAIRS), axis=0) for sparq in FORMATS}


@pytest.mark.parametrize("sparq", FORMATS, ids=str)
@given(weights=st.lists(st.integers(-128, 127), min_size=1, max_size=5))
@settings(max_examples=20)
def test_extremes_are_those_of_trying_every_pair(sparq: SparqFormat, weights: list[int]) -> None:
    padded = np.array([*weights, 0][: (len(weights) + 1) // 2 * 2]).reshape(-1, 2)
    reached = REACHED[sparq] @ padded.T
    lowest, highest = sparq_dot_extremes([weights], sparq)
    assert (lowest.tolist(), highest.tolist()) == ([reached.min(axis=0).sum()], [reached.max(axis=0).sum()])


def test_pairs_reach_less_than_8_bits_everywhere() -> None:
    weights = np.full((1, 64), 127)
    _, highest = sparq_dot_extremes(weights, SparqFormat.named("4b5opt"))
    assert highest[0] == 64 * 127 * 240 < dot_extremes(weights, 0, 255)[1][0]


def test_extremes_are_exact_at_any_magnitude() -> None:
    lowest, highest = sparq_dot_extremes(np.array([[2**70, -(2**70)]], dtype=object), SparqFormat.named("4b5opt"))
    assert (lowest[0], highest[0]) == (-(2**70) * 255, 2**70 * 255)


def test_what_is_no_matrix_of_integers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected shape \(C, K\)"):
        sparq_dot_extremes([1, 2], SparqFormat.named("4b5opt"))
    with pytest.raises(TypeError, match="expected integers"):
        sparq_dot_extremes([[0.5]], SparqFormat.named("4b5opt"))
