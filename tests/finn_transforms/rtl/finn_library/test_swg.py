from typing import Any

import numpy as np
import pytest

from finn_transforms.finn_compat import FinnMissingError
from finn_transforms.folding.candidates import foldings
from finn_transforms.rtl.finn_library import FinnSwg
from finn_transforms.rtl.finn_library.swg import _generated
from tests.support.finn_units import SWGS, WAYS, beats_waited_for, bench, frames, swg, swg_layer


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


# What the generator cannot build, found by drawing layers; the first ones it builds without a word, wrong.
LINES, HALF = "line buffers", "more than half of the image"
STRIDE, LOOP, JUMP = "strides of at most", "more than two steps", "jump to the next row"


@pytest.mark.parametrize(
    ("refusal", "message", "changes"),
    [
        (LINES, None, {"kernel": 3, "image": 4, "parallel_window": True}),
        (LINES, None, {"kernel": 2, "image": (7, 2), "parallel_window": True}),
        (LINES, None, {"kernel": (4, 1), "image": (9, 2), "depthwise": True, "parallel_window": True}),
        (HALF, None, {"kernel": 1, "image": 2, "stride": 2}),
        (HALF, None, {"kernel": (1, 3), "image": (2, 9), "stride": (2, 1), "parallel_window": True}),
        (HALF, None, {"kernel": 2, "image": (4, 5), "stride": 3, "dilation": (1, 2), "depthwise": True}),
        (STRIDE, "Illegal conv", {"kernel": (4, 1), "image": (9, 1), "stride": (1, 2)}),
        (LOOP, "math domain", {"kernel": (1, 3), "image": (3, 4), "stride": (2, 3), "parallel_window": True}),
        (LOOP, "math domain", {"kernel": (2, 1), "image": (2, 1)}),
        (JUMP, "H increment", {"kernel": (1, 3), "image": (4, 7), "stride": 3, "dilation": 2}),
        (JUMP, "H increment", {"kernel": (1, 2), "image": (1, 7), "stride": (1, 3), "dilation": (2, 1)}),
    ],
)
def test_what_finn_cannot_build_is_refused(refusal: str, message: str | None, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=refusal):
        swg("refused", simd=4, **changes)
    if message is not None:
        layer = swg_layer("layer", simd=4, **changes)
        with pytest.raises((AssertionError, ValueError), match=message):
            _generated("refused_finn", layer)


def test_whole_windows_are_offered_where_finn_builds_them() -> None:
    assert any(each.parallel_window for each in foldings(swg_layer("layer", kernel=3, image=5)))
    assert not any(each.parallel_window for each in foldings(swg_layer("layer", kernel=3, image=4)))
