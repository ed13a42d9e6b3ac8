"""``bfx certify``: exit codes and what it prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from finn_transforms.build import build
from finn_transforms.cli import app
from tests.support.small_network import save_small_network


@pytest.fixture
def built(tmp_path: Path) -> Path:
    build(save_small_network(tmp_path / "net.onnx"), tmp_path / "out")
    return tmp_path / "out"


def bfx(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["certify", *map(str, arguments)], env={"COLUMNS": "200"})


def test_what_holds(built: Path) -> None:
    result = bfx(built)
    assert result.exit_code == 0, result.output
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", result.output).split())
    assert "4 of 4 hold; 2 accumulators are minimal." in text


def test_what_does_not(built: Path) -> None:
    path = built / "report" / "certificates.json"
    document = json.loads(path.read_text())
    document["accumulators"][0]["highest"]["value"] += 1
    path.write_text(json.dumps(document))
    result = bfx(built)
    assert result.exit_code == 1
    assert "3 of 4 hold" in result.output
    assert bfx(built / "hw_graph.onnx", "--certificates", path).exit_code == 1


def test_nothing_to_read(tmp_path: Path) -> None:
    result = bfx(tmp_path)
    assert result.exit_code == 2
    assert "run bfx build first" in " ".join(result.stderr.split())
