"""Files appear whole or not at all."""

import json
from pathlib import Path

import pytest

from finn_transforms.report import publish, write_json


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_json_is_written_with_its_folder(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "b.json", {"x": [1, None]})
    assert json.loads((tmp_path / "a" / "b.json").read_text()) == {"x": [1, None]}
    assert names(tmp_path) == {"a/b.json"}


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", object())
    assert json.loads((tmp_path / "a.json").read_text()) == 1
    assert names(tmp_path) == {"a.json"}


def test_files_are_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with publish(tmp_path / "out") as folder:
        write_json(folder / "a.json", 1)
    modes = {(tmp_path / name).stat().st_mode for name in ("plain", "out/a.json")}
    assert len(modes) == 1


def test_publishing_moves_everything_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    write_json(out / "report" / "old.json", 0)
    write_json(out / "report" / "new.json", 0)
    with publish(out) as folder:
        write_json(folder / "report" / "new.json", 1)
        write_json(folder / "top.json", 2)
        assert json.loads((out / "report" / "new.json").read_text()) == 0
    assert names(tmp_path) == {"deep/out/report/old.json", "deep/out/report/new.json", "deep/out/top.json"}
    assert json.loads((out / "report" / "new.json").read_text()) == 1


def test_a_failure_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"), publish(tmp_path / "out") as folder:
        write_json(folder / "a.json", 1)
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(NotADirectoryError, match="expected a folder"), publish(tmp_path / "out"):
        raise AssertionError("not reached")
