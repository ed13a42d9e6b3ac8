"""Frames per second and clock cycles per frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finn_transforms.folding import cycles_per_frame, reachable_fps


def test_cycles_per_frame() -> None:
    assert cycles_per_frame(1000, 5.0) == 200_000
    assert cycles_per_frame(0.5, 10.0) == 200_000_000
    assert cycles_per_frame(3e7, 5.0) == 6
    for fps, clock in ((0, 5.0), (-1, 5.0), (10, 0.0)):
        with pytest.raises(ValueError, match="positive"):
            cycles_per_frame(fps, clock)
    with pytest.raises(ValueError, match="one frame per clock cycle"):
        cycles_per_frame(3e8, 5.0)


@given(st.integers(1, 10**9), st.floats(0.5, 100))
def test_what_can_be_reached_is_a_target_that_can(cycles: int, clock: float) -> None:
    fps = reachable_fps(cycles, clock)
    assert fps == pytest.approx(1e9 / clock / cycles, rel=1e-4)
    assert cycles <= cycles_per_frame(fps, clock) <= cycles * 1.0001 + 1
