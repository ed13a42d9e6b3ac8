"""Many units: order, equal sources, failures, and runs that are killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from finn_transforms.cost import SynthesisError, Utilization, Yosys, synthesis_results, synthesize_all
from tests.support.verilog_units import Module

ROOT = Path(__file__).resolve().parents[3]


def test_results_come_in_the_order_of_the_units(tmp_path: Path) -> None:
    units = [Module(kind=kind, name=f"unit{index}") for index, kind in enumerate(["comparator", "adder", "comparator"])]
    results = synthesize_all(units, "xc7", jobs=2, cache=tmp_path)
    assert [(each.name, each.ff) for each in results] == [("unit0", 0), ("unit1", 9), ("unit2", 0)]
    # Two of them have the same sources but for their names.
    assert len(list(tmp_path.glob("synthesis/??/*.json"))) == 2


def test_a_failure_leaves_the_results_of_the_others(tmp_path: Path) -> None:
    units = [Module(kind="broken", name="bad"), Module(kind="adder", name="good")]
    with pytest.raises(SynthesisError, match=r"1 of 2 units failed:\nbad: .*undeclared_signal"):
        synthesize_all(units, Yosys(family="xc7"), jobs=1, cache=tmp_path)
    found = dict(synthesis_results(units, "xc7", jobs=1, cache=tmp_path))
    assert isinstance(found[0], SynthesisError)
    assert isinstance(found[1], Utilization)
    assert found[1].ff == 9


def test_equal_units_are_synthesised_once_even_if_they_fail_or_cannot_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, runs = subprocess.run, []

    def counted(*given: Any, **named: Any) -> Any:
        runs.append(given)
        return run(*given, **named)

    monkeypatch.setattr("finn_transforms.cost.yosys.subprocess.run", counted)
    units = [Module(kind="broken", name="first"), Module(kind="broken", name="second")]
    with pytest.raises(SynthesisError, match=r"2 of 2 units failed:\nfirst: .*\nsecond: .* failed: first: "):
        synthesize_all(units, "xc7", jobs=1, cache=tmp_path)
    assert len(runs) == 1
    (tmp_path / "file").write_text("no folder")
    units = [Module(kind="adder", name="first"), Module(kind="adder", name="second")]
    with pytest.warns(UserWarning, match="results are used, but not kept"):
        results = synthesize_all(units, "xc7", jobs=1, cache=tmp_path / "file")
    assert [(each.name, each.ff) for each in results] == [("first", 9), ("second", 9)]
    assert len(runs) == 2


def test_what_is_stored_is_not_synthesised_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units = [Module(kind="adder")]
    first = synthesize_all(units, "xc7", cache=tmp_path)
    monkeypatch.setattr("finn_transforms.cost.yosys.subprocess.run", lambda *_, **__: pytest.fail("ran Yosys"))
    assert synthesize_all(units, "xc7", cache=tmp_path) == first


def test_progress_names_what_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    synthesize_all([Module(kind="adder", name="shown")], "xc7", cache=tmp_path, progress=True)
    assert "1/1" in capsys.readouterr().err
    synthesize_all([Module(kind="adder", name="shown")], "xc7", cache=tmp_path)
    assert capsys.readouterr() == ("", "")


def test_a_killed_run_keeps_what_was_done(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from finn_transforms.cost import synthesize_all
from tests.support.verilog_units import Module
units = [Module(kind=kind) for kind in ("adder", "comparator", "delay", "tapped_delay", "product", "mixture")]
synthesize_all(units, "xcup", jobs=1, cache=Path({str(tmp_path)!r}))
"""
    running = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    stored: list[Path] = []
    while len(stored) < 2 and running.poll() is None:
        time.sleep(0.05)
        stored = list(tmp_path.glob("synthesis/??/*.json"))
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    kept = {path: path.read_text() for path in tmp_path.glob("synthesis/??/*.json")}
    assert 2 <= len(kept) < 6
    units = [Module(kind=kind) for kind in ("adder", "comparator")]
    assert [each.ff for each in synthesize_all(units, "xcup", cache=tmp_path)] == [9, 0]
    assert {path: path.read_text() for path in kept} == kept


def test_jobs_have_to_be_at_least_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="jobs: expected at least 1, found 0"):
        synthesize_all([Module(kind="adder")], jobs=0, cache=tmp_path)
