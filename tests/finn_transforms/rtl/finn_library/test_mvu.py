from dataclasses import replace

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_transforms.rtl.finn_library import FinnMvu
from tests.support.finn_units import MVUS, WAYS, beats_waited_for, bench, frames, mvu


@pytest.mark.parametrize("unit", MVUS.values(), ids=MVUS)
def test_finns_rtl_multiplies(unit: FinnMvu) -> None:
    inputs = frames(unit, 6)
    inputs[0][0] = unit.layer.input_type.max()
    (expected,) = unit.golden(*inputs)
    for seed, stalls in enumerate(WAYS):
        (found,) = bench().run(unit, inputs, stalls=stalls, seed=seed).outputs
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("unit", MVUS.values(), ids=MVUS)
def test_its_cycles_and_needs_are_exact(unit: FinnMvu) -> None:
    inputs = frames(unit, 4)
    assert set(np.diff(bench().run(unit, inputs).produced[0][:, -1])) == {unit.cycles()}
    if unit.weights is not None:
        np.testing.assert_array_equal(beats_waited_for(unit, inputs), unit.needs()[0])


def test_streamed_and_stored_weights_agree() -> None:
    stored, streamed = MVUS["mvu_plain"], MVUS["mvu_streamed"]
    (vectors,) = frames(stored, 2)
    words = np.tile(streamed.words(stored.weights), (2, 3, 1))
    np.testing.assert_array_equal(streamed.golden(vectors, words)[0], stored.golden(vectors)[0])
    assert streamed.needs()[1][:4].tolist() == [4, 8, 12, 16]


def test_a_product_by_hand() -> None:
    unit = replace(mvu("m", mw=2, mh=2, pe=2, simd=1, num_vectors=(1,)), weights=np.array([[1, 2], [3, 4]]))
    assert unit.golden(np.array([[[5], [7]]]))[0].tolist() == [[[26, 38]]]
    assert unit.words(unit.weights).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"threshold_steps": 15}, "without thresholds inside"),
        ({"weight_type": DataType["UINT4"]}, "signed weights"),
        ({"weight_type": DataType["BIPOLAR"]}, "at least 2 bits"),
        ({"accumulator_type": DataType["INT7"]}, "accumulator of at least 8 bits"),
        ({"simd": 12}, "loses results"),
    ],
)
def test_what_finns_unit_cannot_do_is_refused(changes: dict[str, object], expected: str) -> None:
    unit = mvu("refused")
    with pytest.raises(ValueError, match=expected):
        replace(unit, layer=replace(unit.layer, **changes))


def test_weights_and_slices_are_checked() -> None:
    unit = mvu("refused")
    with pytest.raises(ValueError, match="expected weights"):
        replace(unit, weights=np.full((12, 6), 8))
    with pytest.raises(ValueError, match="found 'DSP58'"):
        replace(unit, dsp_block="DSP58")
