"""Stored results: what is damaged, what cannot be written, and what a key tells apart."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from finn_transforms.cost import SynthesisError, Utilization
from finn_transforms.cost.synthesis import LOG, Synthesis, ToolFailure
from finn_transforms.cost.synthesis_cache import SynthesisCache, synthesis_key, write_atomically
from tests.support.verilog_units import Module

FOUND = Utilization(
    name="unit_under_test", family="xc7", lut_logic=9, lut_memory=0, lut_srl=0, luts_before_packing=12,
    lut_without_ternary=10, lut_paired=8, ff=4, carry=1, bram18=0, uram=0, dsp=0, critical_path=None, tool="stand-in",
    cells={"LUT6": 9},
)  # fmt: skip


class StandIn:
    """A tool that finds `FOUND`, or fails, and counts its runs."""

    version = "stand-in 1"
    recipe = ("-family xc7",)

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.runs = 0

    def run(self, top: str, sources: Mapping[str, str], folder: Path) -> Utilization:
        del sources
        self.runs += 1
        (folder / LOG).write_text("said")
        if self.fails:
            raise ToolFailure("refuses it")
        return replace(FOUND, name=top)


def synthesis(tool: StandIn, cache: Path) -> Synthesis:
    return Synthesis(Module(kind="adder"), tool, cache)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "damage", [lambda _: "", lambda text: text[: len(text) // 2], lambda _: "[]", lambda _: "\0", lambda _: "{}"]
)
def test_a_damaged_entry_is_made_anew(damage: object, tmp_path: Path) -> None:
    tool = StandIn()
    synthesis(tool, tmp_path).result()
    (entry,) = tmp_path.glob("synthesis/??/*.json")
    entry.write_text(damage(entry.read_text()))  # type: ignore[operator]
    assert synthesis(tool, tmp_path).stored() is None
    assert synthesis(tool, tmp_path).result() == FOUND
    assert synthesis(tool, tmp_path).result() == FOUND
    assert tool.runs == 2


def test_an_entry_of_another_version_is_made_anew(tmp_path: Path) -> None:
    tool = StandIn()
    synthesis(tool, tmp_path).result()
    (entry,) = tmp_path.glob("synthesis/??/*.json")
    older = json.loads(entry.read_text())
    del older["lut_without_ternary"]
    entry.write_text(json.dumps(older))
    assert synthesis(tool, tmp_path).result() == FOUND
    assert tool.runs == 2


def test_a_folder_that_cannot_be_written_costs_no_result(tmp_path: Path) -> None:
    # A file where the folder should be: root may write into any folder.
    (tmp_path / "synthesis").write_text("in the way")
    with pytest.warns(
        UserWarning, match="expected a folder to store results of synthesis in, found Not a directory; .*--cache"
    ):
        assert synthesis(StandIn(), tmp_path).result() == FOUND
    with pytest.raises(
        SynthesisError, match=r"unit_under_test: stand-in 1 refuses it; .* could not be kept in .*Not a directory"
    ):
        synthesis(StandIn(fails=True), tmp_path).result()


def test_a_full_disk_leaves_the_old_entry_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = SynthesisCache(folder=tmp_path)
    cache.store("key", FOUND)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        cache.store("key", replace(FOUND, ff=5))
    assert cache.load("key", "other") == replace(FOUND, name="other")
    assert [path.name for path in (tmp_path / "ke").iterdir()] == ["key.json"]


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    write_atomically(tmp_path / "folder" / "file", "old")
    write_atomically(tmp_path / "folder" / "file", "new")
    assert (tmp_path / "folder" / "file").read_text() == "new"
    assert len(list((tmp_path / "folder").iterdir())) == 1


def test_a_key_follows_sources_and_recipe_but_not_the_name() -> None:
    def key(name: str, text: str = "module {};", recipe: str = "-family xc7") -> str:
        return synthesis_key(name, {f"{name}.sv": text.format(name)}, [recipe])

    assert key("first") == key("second")
    assert key("first") != key("first", "module {} ;")
    assert key("first") != key("first", recipe="-family xcup")
    # A unit named like its family.
    assert key("xc7") != key("xcup", recipe="-family xcup")
