import numpy as np
import pytest

from finn_transforms.finn_compat import FinnMissingError
from finn_transforms.rtl.finn_library import FinnSwg
from tests.support.finn_units import SWGS, WAYS, beats_waited_for, bench, frames, swg


@pytest.mark.parametrize("unit", SWGS.values(), ids=SWGS)
def test_finns_generator_sends_the_windows(unit: FinnSwg) -> None:
    inputs = frames(unit, 3)
    (expected,) = unit.golden(*inputs)
    for seed, stalls in enumerate(WAYS):
        (found,) = bench().run(unit, inputs, stalls=stalls, seed=seed).outputs
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("unit", SWGS.values(), ids=SWGS)
def test_its_cycles_are_exact(unit: FinnSwg) -> None:
    run = bench().run(unit, frames(unit, 4))
    assert set(np.diff(run.produced[0][:, -1])) == {unit.cycles()}


@pytest.mark.parametrize("unit", SWGS.values(), ids=SWGS)
def test_each_beat_waits_for_its_pixels_and_for_no_more(unit: FinnSwg) -> None:
    np.testing.assert_array_equal(beats_waited_for(unit, frames(unit, 2)), unit.needs()[0])


def test_a_window_by_hand() -> None:
    # Two channels, one per beat: (channel, then column) of the input, 4 windows of 2 x 1 pixels.
    unit = swg("s", kernel=(2, 1), image=(2, 4), channels=2, simd=1)
    image = np.arange(16).reshape(1, 16, 1) % 8
    (windows,) = unit.golden(image)
    assert windows.reshape(4, 4).tolist() == [[0, 1, 0, 1], [2, 3, 2, 3], [4, 5, 4, 5], [6, 7, 6, 7]]
    assert unit.needs()[0].reshape(4, 4).tolist() == [
        [1, 2, 9, 10],
        [10, 10, 11, 12],
        [12, 12, 13, 14],
        [14, 14, 15, 16],
    ]


def test_without_finn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finn_transforms.finn_compat.find_spec", lambda _: None)
    with pytest.raises(FinnMissingError, match=r"pip install"):
        swg("never_generated_before").sources()
