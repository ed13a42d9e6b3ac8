from dataclasses import replace

import numpy as np
import pytest

from finn_transforms.rtl.finn_library import FinnThresholding
from tests.support.finn_units import THRESHOLDINGS, WAYS, beats_waited_for, bench, frames, thresholding


@pytest.mark.parametrize("unit", THRESHOLDINGS.values(), ids=THRESHOLDINGS)
def test_finns_rtl_counts_the_thresholds(unit: FinnThresholding) -> None:
    inputs = frames(unit, 20)
    values = inputs[0].reshape(-1, unit.layer.channels)
    # Every threshold of the first steps, and what lies just below it, comes by.
    near = np.broadcast_to(unit.thresholds, (unit.layer.channels, unit.layer.steps)).T[: len(values) // 2]
    values[: len(near)] = near
    values[-len(near) :] = np.maximum(near - 1, unit.layer.input_type.min())
    (expected,) = unit.golden(*inputs)
    for seed, stalls in enumerate(WAYS):
        (found,) = bench().run(unit, inputs, stalls=stalls, seed=seed).outputs
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("unit", THRESHOLDINGS.values(), ids=THRESHOLDINGS)
def test_its_cycles_and_needs_are_exact(unit: FinnThresholding) -> None:
    inputs = frames(unit, 4)
    assert set(np.diff(bench().run(unit, inputs).produced[0][:, -1])) == {unit.cycles()}
    np.testing.assert_array_equal(beats_waited_for(unit, inputs), unit.needs()[0])


def test_thresholds_are_stored_in_a_type_that_the_hardware_reads_right() -> None:
    units = THRESHOLDINGS
    assert units["thresholding_plain"].stored_type.name == "INT8"
    # Unsigned inputs are compared unsigned.
    assert units["thresholding_mixed_types"].stored_type.name == "UINT8"
    # Inputs that are too wide are cut down to the lowest value, which then cannot be a threshold.
    narrow = units["thresholding_narrow_type"]
    lowest = replace(narrow, thresholds=np.full((8, 15), -128))
    assert (narrow.stored_type.name, lowest.stored_type.name) == ("INT12", "INT9")


def test_what_cannot_be_built_is_refused() -> None:
    unit = thresholding("refused")
    with pytest.raises(ValueError, match=r"expected thresholds \(4, 15\), found \(4, 14\)"):
        replace(unit, thresholds=unit.thresholds[:, 1:])
    with pytest.raises(ValueError, match="expected ascending thresholds"):
        replace(unit, thresholds=unit.thresholds[:, ::-1])
    with pytest.raises(ValueError, match="float32"):
        replace(unit, thresholds=np.full((4, 15), 2**25 + 1))
    with pytest.raises(ValueError, match="at least 2 thresholds in all, found 1"):
        thresholding("refused", shared=True, pe=1, steps=1, output_type="BIPOLAR")
    # Found by drawing units: the width is computed without signs, and all but the first lane come out wrong.
    with pytest.raises(ValueError, match="a largest result of at least -1, found -3"):
        thresholding("refused", steps=1, bias=-4, output_type="INT3")
