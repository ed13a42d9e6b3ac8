"""The unit that shifts products computes what its definition says, and what a plain one with shifted weights does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from finn_transforms.ops import evaluate
from finn_transforms.ops.shift import folded_weights

RNG = np.random.default_rng(0)
SHIFTS = (3, 0, 1, 0, 2, 3)
WEIGHTS = RNG.integers(-7, 8, (6, 4))


def attributes(**changes: Any) -> dict[str, Any]:
    return {"MW": 6, "MH": 4, "numInputVectors": [1], "shifts": list(SHIFTS), "noActivation": 1, **changes}


@pytest.mark.parametrize("kind", [np.int64, np.float32, np.float64, object])
def test_products_are_shifted_before_they_are_added(kind: Any) -> None:
    x = RNG.integers(-8, 8, (5, 6))
    expected = [
        [sum((int(a) * int(w)) << s for a, w, s in zip(row, column, SHIFTS, strict=True)) for column in WEIGHTS.T]
        for row in x
    ]
    found = evaluate("ShiftMVAU", attributes(), [x.astype(kind), WEIGHTS.astype(kind)])
    assert found.dtype == kind
    assert found.tolist() == expected


def test_it_is_a_plain_unit_with_shifted_weights_and_thresholds() -> None:
    x = RNG.integers(-8, 8, (5, 2, 3))
    thresholds = np.sort(RNG.integers(-200, 200, (4, 7)), axis=1)
    plain = {name: value for name, value in attributes(noActivation=0, ActVal=-3).items() if name != "shifts"}
    shifted = folded_weights(attributes(), WEIGHTS)
    assert np.array_equal(shifted, WEIGHTS << np.array(SHIFTS)[:, None])
    found = evaluate("ShiftMVAU_rtl", attributes(noActivation=0, ActVal=-3), [x, WEIGHTS, thresholds])
    assert np.array_equal(found, evaluate("MVAU", plain, [x, shifted, thresholds]))
    assert len(np.unique(found)) > 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shifts": [1, 2]}, "expected MW = 6 exponents from 0 on, found 2"),
        ({"shifts": [0, 0, 0, 0, 0, -1]}, "found 6 from -1 on"),
        ({"binaryXnorMode": 1}, "expected products, found inputs and weights whose equal bits are counted"),
        ({"inputDataType": "BIPOLAR", "weightDataType": "BIPOLAR"}, "whose equal bits are counted"),
    ],
)
def test_what_means_nothing_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate("ShiftMVAU", attributes(**changes), [np.ones((1, 6)), WEIGHTS])
