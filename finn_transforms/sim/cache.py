"""Folders addressed by what they were made from, kept between runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path


def cache_folder(chosen: Path | None = None) -> Path:
    """Return where results are kept: `chosen`, else ``$BFX_CACHE``, else ``bfx`` in the user's cache folder."""
    if chosen is not None:
        return chosen
    if os.environ.get("BFX_CACHE"):
        return Path(os.environ["BFX_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bfx"


def content_key(parts: Iterable[str]) -> str:
    """Return a name for the texts `parts`, in this order: 32 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()[:32]


def kept_folder(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return `folder`, filled by `make` unless it exists.

    It appears at once and complete: `make` works in a folder beside it, which is renamed. Of two processes that make
    the same folder at the same time one's work is thrown away.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        make(scratch)
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder
