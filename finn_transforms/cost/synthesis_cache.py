"""Results of synthesis by content: whoever asks again with the same sources, flow and tool gets the stored result."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from finn_transforms.cost.utilization import Utilization
from finn_transforms.sim.cache import content_key


@dataclass(frozen=True, kw_only=True)
class SynthesisCache:
    """Stored `Utilization`s, one file each, written in one go, so that a killed run leaves no half of one.

    Attributes:
        folder: Where they are.
    """

    folder: Path

    def load(self, key: str, name: str) -> Utilization | None:
        """Return what is stored, under the name of the unit that asks, or None.

        What cannot be read, or is damaged, or of another version, is as good as absent: it is made and stored anew.
        """
        try:
            stored = Utilization.from_json(json.loads(self._file(key).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return replace(stored, name=name)

    def store(self, key: str, result: Utilization) -> None:
        """Store a result.

        Raises:
            OSError: the folder cannot be written.
        """
        write_atomically(self._file(key), json.dumps(result.as_json(), indent=1))

    def log(self, key: str) -> Path:
        """Return where the log of a failed run is kept."""
        return self.folder / "logs" / f"{key}.txt"

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def synthesis_key(name: str, sources: Mapping[str, str], recipe: Iterable[str]) -> str:
    """Return the key of sources and everything else that the result depends on: flow, counting and tool.

    The name of the unit does not count: wherever it stands in the sources, the same placeholder does.
    """
    neutral = sorted((file.replace(name, "\0"), text.replace(name, "\0")) for file, text in sources.items())
    return content_key([*(part for item in neutral for part in item), "\0", *recipe])


def write_atomically(path: Path, text: str) -> None:
    """Write a file, its folder included, such that it is either the old one or the new one at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            file.write(text)
            file.flush()
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
