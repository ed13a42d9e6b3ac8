"""Some of the units that benchmarks/rtl_fuzz.py draws, among them units that are reset in the middle of a frame."""

import pytest

from finn_transforms.rtl import RtlUnit
from tests.support.random_units import KINDS, Draw
from tests.support.restarted import Restarted
from tests.support.rtl_checks import check_units

pytest.importorskip("finn")


def drawn(kind: str) -> RtlUnit:
    for seed in range(20):
        draw = Draw(seed, len(kind))
        try:
            unit = KINDS[kind](draw, f"random_{kind}")
            unit.sources()
        except ValueError:  # what was drawn is refused
            continue
        return Restarted(name=f"restarted_{kind}", unit=unit, after=draw.whole(1, 2 * unit.cycles() + 12))
    raise AssertionError(f"{kind}: nothing legal was drawn")


def test_units_of_every_kind_work_after_a_reset_in_the_middle_of_a_frame() -> None:
    check_units([drawn(kind) for kind in KINDS], frames=4)
