"""The SPARQ encoder against the golden code, for every value and every pair."""

import numpy as np
import pytest

from brevitas_ext.arith.sparq import WINDOW_SETS, SparqFormat
from finn_transforms.rtl import SparqEncoder
from finn_transforms.sim import Bench, Stalls
from tests.support.rtl_checks import check_units

# All pairs in frames of 1024 beats of two pairs each; single values twice.
PAIRS = np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij"), axis=-1).reshape(32, 1024, 4)
VALUES = np.arange(256).repeat(2).reshape(2, 64, 4)


def encoder(name: str, sparq: SparqFormat, beats: int = 1024) -> SparqEncoder:
    return SparqEncoder(name=name, sparq=sparq, simd=4, beats=beats)


# Every named window set in pairs, trimmed or rounded, and sets without a name; a carry that finds no window.
FORMATS = {
    "b7": SparqFormat.named("7b2opt"),
    "b6": SparqFormat.named("6b3opt", rounding=False),
    "b5": SparqFormat.named("5b4opt", overflow="carry"),
    "opt5": SparqFormat.named("4b5opt"),
    "opt5_trim": SparqFormat.named("4b5opt", rounding=False),
    "opt5_carry": SparqFormat.named("4b5opt", overflow="carry"),
    "opt3": SparqFormat.named("4b3opt"),
    "opt3_carry": SparqFormat.named("4b3opt", overflow="carry"),
    "opt2": SparqFormat.named("4b2opt"),
    "opt6": SparqFormat.named("3b6opt"),
    "opt6_trim": SparqFormat.named("3b6opt", rounding=False),
    "opt7": SparqFormat.named("2b7opt"),
    "opt7_carry": SparqFormat.named("2b7opt", overflow="carry"),
    "other": SparqFormat(bits=3, shifts=(0, 5), overflow="carry"),
    "uneven": SparqFormat(bits=2, shifts=(0, 1, 3, 6), overflow="carry"),
}
SINGLE = {
    f"single_{name}_{mode}": SparqFormat.named(name, rounding=mode != "trim", overflow=overflow, pairs=False)
    for name in WINDOW_SETS
    for mode, overflow in (("trim", "saturate"), ("round", "saturate"), ("carry", "carry"))
}


def test_all_pairs_and_all_values() -> None:
    pairs = [encoder(name, sparq) for name, sparq in FORMATS.items()]
    single = [encoder(name, sparq, 64) for name, sparq in SINGLE.items()]
    bench = Bench([*pairs, *single])
    for unit in pairs:
        found = bench.run(unit, [PAIRS]).outputs[0]
        np.testing.assert_array_equal(found, unit.golden(PAIRS)[0], unit.name)
    for unit in single:
        found = bench.run(unit, [VALUES]).outputs[0]
        np.testing.assert_array_equal(found, unit.golden(VALUES)[0], unit.name)
    for stalls in (Stalls(valid_probability=0.3), Stalls(ready_probability=0.3, ready_after_valid=True)):
        unit = pairs[3]
        found = bench.run(unit, [PAIRS[::8]], stalls=stalls, seed=1).outputs[0]
        np.testing.assert_array_equal(found, unit.golden(PAIRS[::8])[0])


def test_a_beat_passes_in_every_cycle() -> None:
    runs = check_units(
        [
            SparqEncoder(name="one_pair", sparq=SparqFormat.named("4b3opt"), simd=2, beats=6),
            SparqEncoder(name="odd", sparq=SparqFormat.named("4b3opt", pairs=False), simd=3, beats=5),
        ]
    )
    assert all(run.latency == 1 for run in runs.values())


def test_refuses_what_it_cannot_pair() -> None:
    sparq = SparqFormat.named("4b5opt")
    with pytest.raises(ValueError, match="expected an even SIMD, found 3"):
        SparqEncoder(name="odd", sparq=sparq, simd=3, beats=4)
    with pytest.raises(ValueError, match="expected at least one beat, found 0"):
        SparqEncoder(name="empty", sparq=sparq, simd=2, beats=0)
