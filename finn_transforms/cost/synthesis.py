"""One run of a synthesis tool: its result, stored by content, or an error that names the unit and keeps the log."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from finn_transforms.cost.synthesis_cache import SynthesisCache, synthesis_key, write_atomically
from finn_transforms.cost.utilization import Utilization
from finn_transforms.rtl import RtlUnit
from finn_transforms.sim.cache import cache_folder

COUNTING = "3"
"""Raised whenever the counting changes, so that no older count is taken from the cache."""

LOG = "log.txt"
"""Where a tool leaves what it said, within its folder."""


class SynthesisError(RuntimeError):
    """A unit could not be synthesised; the message names unit, reason and log."""


class ToolFailure(Exception):  # noqa: N818 - it is caught right outside, and leaves as a SynthesisError
    """A tool gave no result; the message says why."""


class Tool(Protocol):
    """What synthesises."""

    @property
    def version(self) -> str:
        """Tool and version, e.g. ``pyosys 0.70``."""

    @property
    def recipe(self) -> list[str]:
        """Everything besides sources and version that its result depends on."""

    def run(self, top: str, sources: Mapping[str, str], folder: Path) -> Utilization:
        """Synthesise in an empty folder, leaving what the tool says in ``folder / LOG``.

        Raises:
            ToolFailure: it gave no result.
        """


class Synthesis:
    """One unit for one tool, and where its result is stored.

    Args:
        params: the unit.
        tool: what synthesises it.
        cache: folder of stored results; ``$BFX_CACHE`` or the user's cache folder by default.
    """

    def __init__(self, params: RtlUnit, tool: Tool, cache: Path | None = None) -> None:
        self.name = params.name
        self.tool = tool
        self.sources = dict(params.sources())
        self.key = synthesis_key(self.name, self.sources, [*tool.recipe, tool.version, COUNTING])
        self._cache = SynthesisCache(folder=cache_folder(cache) / "synthesis")

    def stored(self) -> Utilization | None:
        """Return the stored result, or None."""
        return self._cache.load(self.key, self.name)

    def result(self) -> Utilization:
        """Return the stored result, or synthesise and store it.

        A folder that cannot be written costs no result: there is a warning, and the result is returned.

        Raises:
            SynthesisError: the tool refuses the unit or takes too long.
        """
        found = self.stored()
        if found is not None:
            return found
        with tempfile.TemporaryDirectory(prefix="bfx-synth-") as name:
            folder = Path(name)
            write_sources(self.sources, folder)
            try:
                result = self.tool.run(self.name, self.sources, folder)
            except ToolFailure as error:
                raise self._error(folder, str(error)) from error
        try:
            self._cache.store(self.key, result)
        except OSError as error:
            warnings.warn(
                f"{self._cache.folder}: expected a folder to store results of synthesis in, found {_reason(error)}; "
                "results are used, but not kept: make room, or choose another folder ($BFX_CACHE, --cache)",
                stacklevel=2,
            )
        return result

    def _error(self, folder: Path, reason: str) -> SynthesisError:
        log = folder / LOG
        kept = self._cache.log(self.key)
        where = f"the whole log is {kept}"
        try:
            write_atomically(kept, log.read_text(encoding="utf-8", errors="replace") if log.is_file() else "")
        except OSError as error:
            where = f"its log could not be kept in {kept.parent} ({_reason(error)})"
        return SynthesisError(f"{self.name}: {self.tool.version} {reason}; mend the unit, {where}")


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def write_sources(sources: Mapping[str, str], folder: Path) -> None:
    """Write source files, with the folders in their names, below a folder."""
    for file, text in sources.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
