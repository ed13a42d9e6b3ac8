"""Classes of clock."""

import pytest

from finn_transforms.cost.timing import fmax_class


@pytest.mark.parametrize(
    ("delay_ns", "expected"), [(25.0, 0), (20.0, 50), (10.1, 50), (10.0, 100), (3.9, 250), (2.2, 450), (0.5, 450)]
)
def test_classes_are_steps_of_50_mhz(delay_ns: float, expected: int) -> None:
    assert fmax_class(delay_ns) == expected


def test_a_longer_path_is_never_in_a_higher_class() -> None:
    classes = [fmax_class(0.1 + step / 20) for step in range(600)]
    assert classes == sorted(classes, reverse=True)
    assert set(classes) == set(range(0, 500, 50))
