"""2:4 structured weights: pairs are formed after the selection, per output channel."""

import numpy as np
import pytest

from brevitas_ext.arith.sparq import SparqFormat
from brevitas_ext.arith.sparq_two_of_four import sparq_dot_two_of_four, sparq_two_of_four, two_of_four_places
from tests.support.sparq_reference import reference_pair


def pruned(rng: np.random.Generator, channels: int, groups: int) -> np.ndarray:
    weights = rng.integers(-127, 128, size=(channels, groups, 4))
    for group in weights.reshape(-1, 4):
        group[rng.choice(4, size=rng.integers(2, 5), replace=False)] = 0
    return weights.reshape(channels, -1)


def test_places_are_those_of_the_non_zero_weights_made_up_to_two() -> None:
    weights = [[0, 5, 0, -1, 0, 0, 0, 9], [0, 0, 0, 0, 1, 2, 0, 0]]
    assert two_of_four_places(weights).tolist() == [[1, 3, 4, 7], [0, 1, 4, 5]]


@pytest.mark.parametrize("name", ["4b5opt", "3b6opt", "2b7opt"])
def test_products_equal_the_paper_pair_by_pair(name: str) -> None:
    rng = np.random.default_rng(3)
    weights = pruned(rng, 5, 4)
    x = rng.integers(0, 256, size=(7, 16)) * (rng.random((7, 16)) < 0.6)
    sparq = SparqFormat.named(name)
    found = sparq_dot_two_of_four(x, weights, sparq)
    places = two_of_four_places(weights)
    for image in range(7):
        for channel in range(5):
            total = 0
            for first, second in places[channel].reshape(-1, 2):
                pair = reference_pair(
                    int(x[image, first]), int(x[image, second]), sparq.bits, sparq.shifts, True, "saturate"
                )
                total += pair[0] * weights[channel, first] + pair[1] * weights[channel, second]
            assert found[image, channel] == total


def test_a_neighbour_that_is_not_selected_does_not_count() -> None:
    # 255 and 3 are the pair; the zero between them is not read.
    assert sparq_two_of_four([255, 0, 3, 0], [[1, 0, 1, 0]], SparqFormat.named("4b5opt")).tolist() == [[240, 3]]


def test_what_is_not_two_of_four_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got \[1, 1, 1, 0\] in channel 0 at position 4; prune"):
        two_of_four_places([[0, 0, 0, 0, 1, 1, 1, 0]])
    with pytest.raises(ValueError, match="K a multiple of 4"):
        two_of_four_places([[1, 0]])
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 4\), got \(5,\)"):
        sparq_two_of_four([1, 2, 3, 4, 5], [[1, 0, 0, 0]], SparqFormat.named("4b5opt"))
