"""Results of synthesis by content: whoever asks again with the same sources, flow and tool gets the stored result."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from finn_transforms.cost.utilization import Utilization


def cache_folder(chosen: Path | None = None) -> Path:
    """Return where results are kept: `chosen`, else ``$BFX_CACHE``, else ``bfx`` in the user's cache folder."""
    if chosen is not None:
        return chosen
    if os.environ.get("BFX_CACHE"):
        return Path(os.environ["BFX_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bfx"


@dataclass(frozen=True, kw_only=True)
class SynthesisCache:
    """Stored `Utilization`s, one file each, written in one go, so that a killed run leaves no half of one.

    Attributes:
        folder: Where they are.
    """

    folder: Path

    def key(self, sources: Mapping[str, str], *recipe: str) -> str:
        """Return the key of sources and everything else the result depends on: flow, counting and tool."""
        content = json.dumps([sorted(sources.items()), recipe])
        return hashlib.sha256(content.encode()).hexdigest()

    def load(self, key: str) -> Utilization | None:
        """Return what is stored, or None."""
        try:
            return Utilization.from_json(json.loads(self._file(key).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def store(self, key: str, result: Utilization) -> None:
        """Store a result."""
        write_atomically(self._file(key), json.dumps(result.as_json(), indent=1))

    def log(self, key: str) -> Path:
        """Return where the log of a failed run is kept."""
        return self.folder / "logs" / f"{key[:16]}.txt"

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def write_atomically(path: Path, text: str) -> None:
    """Write a file, its folder included, such that it is either the old one or the new one at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)
