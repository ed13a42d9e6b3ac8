import numpy as np
import pytest

from finn_transforms.sim import Bench, SimulationError, Stalls, simulate, simulate_many
from tests.support.small_units import FAULTS, Register

WAYS = [None, Stalls(), Stalls(valid_probability=0.1), Stalls(ready_probability=0.1, ready_after_valid=True)]


def frames_of(unit: Register, frames: int = 6) -> np.ndarray:
    return np.random.default_rng(len(unit.name)).integers(-16, 16, (frames, unit.beats, unit.elements))


def test_streams_of_every_width_pass_unchanged() -> None:
    # 5, 15, 35, 65, 200 and 1005 bits: every kind of port that Verilator makes.
    units = [Register(name=f"register{elements}", elements=elements) for elements in (1, 3, 7, 13, 40, 201)]
    cases = [(unit, [frames_of(unit)]) for unit in units]
    bench = Bench(units)
    for seed, stalls in enumerate(WAYS):
        for unit, (values,) in cases:
            found = bench.run(unit, [values], stalls=stalls, seed=seed)
            assert np.array_equal(found.outputs[0], values)
            if stalls is None:
                assert (found.latency, found.interval) == (1, 4)
                assert np.array_equal(found.accepted[0].ravel(), np.arange(24))
                assert np.array_equal(found.produced[0].ravel(), np.arange(1, 25))
            else:
                assert (found.produced[0] > found.accepted[0]).all()
                assert found.produced[0].max() > 30


def test_same_seed_same_cycles() -> None:
    unit = Register()
    runs = [simulate(unit, [frames_of(unit)], stalls=Stalls(), seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(runs[0].produced[0], runs[1].produced[0])
    assert not np.array_equal(runs[0].produced[0], runs[2].produced[0])


@pytest.fixture(scope="module")
def wrong() -> tuple[Bench, dict[str, Register]]:
    units = {fault: Register(name=fault, fault=fault) for fault in FAULTS if fault != "warns"}
    return Bench(list(units.values())), units


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("drops", "tvalid fell before the beat was taken"),
        ("changes", "tdata changed while waiting"),
        ("waits", "tvalid or tdata depends on tready"),
        ("stops", "deadlock: .*in0_V: 5 of 24 beats accepted, tvalid 1, tready 0; out0_V: 5 of 24 beats produced"),
        ("repeats", "expected 24 beats, found one more"),
        ("spills", "expected 0 above bit 14 of tdata"),
    ],
)
def test_a_wrong_unit_is_found_out(wrong: tuple[Bench, dict[str, Register]], fault: str, message: str) -> None:
    bench, units = wrong
    with pytest.raises(SimulationError, match=f"(?s){message}"):
        bench.run(units[fault], [frames_of(units[fault])], stalls=Stalls())


def test_a_warning_is_an_error() -> None:
    unit = Register(fault="warns")
    with pytest.raises(SimulationError, match=r"(?s)UNUSEDSIGNAL.*never"):
        simulate(unit, [frames_of(unit)])


def test_refusals() -> None:
    unit = Register()
    with pytest.raises(ValueError, match=r"\(4, 3\)\], found shapes \[\(2, 3, 4\)\]"):
        simulate(unit, [np.zeros((2, 3, 4), dtype=np.int64)])
    with pytest.raises(ValueError, match="expected values of INT5, found 16"):
        simulate(unit, [np.full((1, 4, 3), 16)])
    with pytest.raises(ValueError, match="register twice"):
        simulate_many([(unit, [frames_of(unit)]), (Register(beats=2), [np.zeros((1, 2, 3), dtype=np.int64)])])
    with pytest.raises(ValueError, match="ready_probability"):
        Stalls(ready_probability=0)
