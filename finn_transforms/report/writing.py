"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4


def write_json(path: Path, content: Any) -> None:
    """Write a JSON document under a temporary name and move it into place; parents are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{uuid4().hex}")
    try:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def publish(output: Path) -> Iterator[Path]:
    """Yield an empty folder whose files move to ``output`` at the end, or are dropped if anything fails.

    Files of an earlier run with other names stay.

    Raises:
        NotADirectoryError: ``output`` is a file.
    """
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"{output}: expected a folder for the results, found a file; choose another name")
    output.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}-"))
    try:
        yield staging
        for file in sorted(path for path in staging.rglob("*") if path.is_file()):
            target = output / file.relative_to(staging)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
    finally:
        shutil.rmtree(staging)
