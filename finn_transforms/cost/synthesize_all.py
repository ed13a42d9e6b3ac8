"""Synthesis of many units: in parallel, resumable, with progress."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from finn_transforms.cost.synthesis import Synthesis, SynthesisError, Tool
from finn_transforms.cost.synthesize import synthesis_tool
from finn_transforms.cost.utilization import Utilization
from finn_transforms.rtl import RtlUnit


def synthesize_all(
    units: Sequence[RtlUnit],
    family: str | Tool = "xcup",
    *,
    jobs: int | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> list[Utilization]:
    """Synthesise units in parallel, each in a process of its own.

    Every result is stored the moment it is there: a run that was killed, or that failed for some of the units, takes
    up where it was. Units with equal sources (but for their names) are synthesised once.

    Args:
        units: The units.
        family: ``xc7`` or ``xcup``; or a tool with options of its own, `Yosys` or `Vivado`.
        jobs: How many at a time; all cores by default.
        cache: Folder of stored results; ``$BFX_CACHE`` or the user's cache folder by default.
        progress: Whether to show progress on standard error.

    Returns:
        One result per unit, in their order.

    Raises:
        SynthesisError: some failed, after all the others are done; the message names each, its reason and its log.
        ValueError, ModuleNotFoundError, FileNotFoundError: as `synthesize`.
    """
    results: list[Utilization | None] = [None] * len(units)
    errors: list[SynthesisError] = []
    for at, result in synthesis_results(units, family, jobs=jobs, cache=cache, progress=progress):
        if isinstance(result, SynthesisError):
            errors.append(result)
        else:
            results[at] = result
    if errors:
        raise SynthesisError(f"{len(errors)} of {len(units)} units failed:\n" + "\n".join(map(str, errors)))
    return [result for result in results if result is not None]


def synthesis_results(
    units: Sequence[RtlUnit],
    family: str | Tool = "xcup",
    *,
    jobs: int | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> Iterator[tuple[int, Utilization | SynthesisError]]:
    """Yield (position of the unit, result or error) as they come; arguments as `synthesize_all`.

    Raises:
        ValueError, ModuleNotFoundError, FileNotFoundError: as `synthesize`.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs: expected at least 1, found {jobs}; leave it out for one per core")
    tool = synthesis_tool(family) if isinstance(family, str) else family
    by_key: dict[str, list[tuple[int, Synthesis]]] = {}
    for at, unit in enumerate(units):
        synthesis = Synthesis(unit, tool, cache)
        by_key.setdefault(synthesis.key, []).append((at, synthesis))
    console = Console(stderr=True, quiet=not progress)
    columns = TextColumn("Synthesis"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, TextColumn("{task.description}"), console=console) as bar:
        task = bar.add_task("", total=len(units))
        for at, result in _run(by_key.values(), jobs or os.cpu_count() or 1):
            failed = isinstance(result, SynthesisError)
            bar.update(task, advance=1, description=f"{units[at].name}{': failed' if failed else ''}")
            yield at, result


def _run(
    groups: Iterable[list[tuple[int, Synthesis]]], jobs: int
) -> Iterator[tuple[int, Utilization | SynthesisError]]:
    """Yield results: the stored ones first, then the others, the first of each group being synthesised."""
    missing = []
    for group in groups:
        if group[0][1].stored() is None:
            missing.append(group)
            continue
        yield from _of_group(group)
    pool = ThreadPoolExecutor(max_workers=jobs)
    try:
        running = [pool.submit(lambda each: list(_of_group(each)), group) for group in missing]
        for done in as_completed(running):
            yield from done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _of_group(group: list[tuple[int, Synthesis]]) -> Iterator[tuple[int, Utilization | SynthesisError]]:
    """Yield the results of units with equal sources: the first is synthesised, the others take its result."""
    (at, first), *others = group
    try:
        result = first.result()
    except SynthesisError as error:
        yield at, error
        for at, other in others:
            yield at, SynthesisError(f"{other.name}: its sources are those of another unit that failed: {error}")
        return
    yield at, result
    for at, other in others:
        yield at, replace(result, name=other.name)
