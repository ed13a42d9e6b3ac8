import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_transforms.rtl.finn_library import FinnPadding
from tests.support.finn_units import PADDINGS, WAYS, beats_waited_for, bench, frames, padding


@pytest.mark.parametrize("unit", PADDINGS.values(), ids=PADDINGS)
def test_finns_padding_surrounds_the_images(unit: FinnPadding) -> None:
    inputs = frames(unit, 3)
    (expected,) = unit.golden(*inputs)
    for seed, stalls in enumerate(WAYS):
        (found,) = bench().run(unit, inputs, stalls=stalls, seed=seed).outputs
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("unit", PADDINGS.values(), ids=PADDINGS)
def test_its_cycles_are_exact(unit: FinnPadding) -> None:
    run = bench().run(unit, frames(unit, 4))
    assert set(np.diff(run.produced[0][:, -1])) == {unit.cycles()}


@pytest.mark.parametrize("unit", PADDINGS.values(), ids=PADDINGS)
def test_zeros_wait_for_nothing(unit: FinnPadding) -> None:
    np.testing.assert_array_equal(beats_waited_for(unit, frames(unit, 2)), unit.needs()[0])


def test_an_image_by_hand() -> None:
    unit = padding("p", image=(1, 2), padding=(0, 1, 1, 0), channels=1, simd=1)
    (padded,) = unit.golden(np.array([[[5], [6]]]))
    assert padded.reshape(2, 3).tolist() == [[0, 5, 6], [0, 0, 0]]
    assert unit.needs()[0].tolist() == [0, 1, 2, 2, 2, 2]


def test_signs_without_a_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="holds 0, found BIPOLAR"):
        padding("p", data_type=DataType["BIPOLAR"])
