from pathlib import Path

import pytest

from finn_transforms.sim.cache import cache_folder, content_key, kept_folder


def test_a_folder_is_made_once_and_only_when_complete(tmp_path: Path) -> None:
    calls = []

    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / "result").write_text("1")

    def fail(folder: Path) -> None:
        make(folder)
        raise RuntimeError("stopped half way")

    wanted = tmp_path / "kept" / "key"
    with pytest.raises(RuntimeError, match="half way"):
        kept_folder(wanted, fail)
    assert not wanted.exists()
    for _ in range(2):
        assert (kept_folder(wanted, make) / "result").read_text() == "1"
    assert len(calls) == 2
    assert [path.name for path in wanted.parent.iterdir()] == ["key"]


def test_another_process_may_be_first(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "result").write_text("second")
        (tmp_path / "key").mkdir()
        (tmp_path / "key" / "result").write_text("first")

    assert (kept_folder(tmp_path / "key", make) / "result").read_text() == "first"


def test_where_results_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BFX_CACHE", str(tmp_path / "variable"))
    assert cache_folder() == tmp_path / "variable"
    assert cache_folder(tmp_path) == tmp_path
    monkeypatch.delenv("BFX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "bfx"


def test_texts_are_not_run_together() -> None:
    assert content_key(["ab", "c"]) != content_key(["a", "bc"])
