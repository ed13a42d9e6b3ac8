"""Random units and random networks in Verilator against their golden functions: integers, throughput, deadlocks.

Units of every class, many in one build; networks of units with forks inside forks, with the least room that is proven
to be enough and with room for full speed; models from export to hardware in any folding. Each without stalls, with gaps
and with back-pressure, some units reset in the middle of a frame. Every integer has to be equal, and frames have to
follow each other at the promised interval. A case is named by its seed and number, which give it again.

    python benchmarks/rtl_fuzz.py                           about half an hour
    python benchmarks/rtl_fuzz.py --units 40 --networks 0 --models 0 --first-seed 7
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.recording import RESULTS, record
from finn_transforms.build import lower
from finn_transforms.network import Network, NetworkError, compare, depths, stitch
from finn_transforms.network.stitch import _with_fifos as with_fifos
from finn_transforms.rtl import RtlUnit
from finn_transforms.sim import Bench, SimulationError, Stalls
from finn_transforms.sim.harness import TOP
from tests.support.random_folding import fold_at_random
from tests.support.random_graphs import Graph, graphs, random_graph
from tests.support.random_graphs import inputs_of as inputs_of_graph
from tests.support.random_unit_networks import random_unit_network, stream_inputs
from tests.support.random_units import Draw, random_unit
from tests.support.restarted import Restarted
from tests.support.rtl_checks import check_needs, inputs_of
from tests.support.stages import input_name

FRAMES = 4
RESTARTED_EVERY = 3
NETWORKS_TOGETHER = 4
WAYS = (None, Stalls(), Stalls(valid_probability=0.2), Stalls(ready_probability=0.2, ready_after_valid=True))


def drawn(seed: int, count: int, refused: Counter[str]) -> list[tuple[str, RtlUnit]]:
    """Return so many units and their kinds; refusals are counted by their text without numbers."""
    units: list[tuple[str, RtlUnit]] = []
    index = 0
    while len(units) < count:
        try:
            kind, unit = random_unit(seed, index)
            if index % RESTARTED_EVERY == 0:
                after = Draw(seed, index, 1).whole(1, 3 * unit.cycles() + 12)
                unit = Restarted(name=f"{unit.name}_restarted", unit=unit, after=after)
            unit.sources()
            units.append((kind, unit))
        except (ValueError, AssertionError, NotImplementedError) as error:
            refused["".join(c for c in str(error) if not c.isdigit())[:160]] += 1
        index += 1
    return units


def built(units: Sequence[RtlUnit], failures: list[str]) -> tuple[Bench | None, list[RtlUnit]]:
    """Return all in one build, and what it holds: those that Verilator complains about are left out."""
    left = list(units)
    while left:
        try:
            return Bench(left), left
        except SimulationError as error:
            place = re.search(rf"{TOP}\.u(\d+)", str(error))
            wrong = left[int(place[1])] if place else next((u for u in left if _core(u).name in str(error)), left[0])
            failures.append(f"{wrong.name}: {str(error)[:1500]}")
            left = [unit for unit in left if unit is not wrong]
    return None, []


def _core(unit: RtlUnit) -> RtlUnit:
    return unit.unit if isinstance(unit, Restarted) else unit


def problems(bench: Bench, unit: RtlUnit) -> list[str]:
    """Return what is wrong with a unit."""
    inputs = inputs_of(unit, FRAMES)
    wanted = unit.golden(*inputs)
    found: list[str] = []
    for seed, stalls in enumerate(WAYS):
        try:
            run = bench.run(unit, inputs, stalls=stalls, seed=seed)
            check_needs(unit, run)
        except (SimulationError, AssertionError) as error:
            found.append(f"{stalls}: {error}")
            continue
        for index, (output, expected) in enumerate(zip(run.outputs, wanted, strict=True)):
            if not np.array_equal(output, expected):
                found.append(f"{stalls}: output {index} differs in {(output != expected).sum()} of {output.size}")
        if stalls is None and run.interval != unit.cycles():
            found.append(f"an interval of {run.interval} instead of {unit.cycles()}")
    return [f"{unit.name}: {text}" for text in found]


def networks_of(seed: int, count: int, refused: Counter[str]) -> list[Network]:
    """Return random networks of units, each twice: with room for full speed, and with room against deadlocks alone."""
    found: list[Network] = []
    index = 0
    while len(found) < 2 * count:
        try:
            plain, lean = (random_unit_network(seed, index, f"{kind}{seed}_{index}") for kind in ("full", "lean"))
        except ValueError as error:
            refused["".join(c for c in str(error) if not c.isdigit())[:160]] += 1
        else:
            needed = depths(plain)
            found.append(with_fifos(plain, needed)[0])
            found.append(with_fifos(lean, tuple(replace(depth, fast=0) for depth in needed))[0])
        index += 1
    return found


def slower(found: int, promised: int, counts: Counter[str]) -> list[str]:
    """Count a network that is slower than its slowest unit; return that where it is not just a cycle or two."""
    counts[f"{max(found - promised, 0)} cycles slower than the slowest unit"] += 1
    return [f"an interval of {found} instead of {promised}"] if found > promised * 1.02 + 2 else []


def network_problems(bench: Bench, network: Network, counts: Counter[str], *, timed: bool) -> list[str]:
    """Return what is wrong with a network.

    While FIFOs fill up frames may follow each other faster than the slowest unit goes, never slower.
    """
    inputs = stream_inputs(network, FRAMES)
    wanted = network.golden(*inputs)
    found: list[str] = []
    for seed, stalls in enumerate(WAYS):
        try:
            run = bench.run(network, inputs, stalls=stalls, seed=seed)
        except SimulationError as error:
            found.append(f"{stalls}: {error}")
            continue
        if not all(map(np.array_equal, run.outputs, wanted)):
            found.append(f"{stalls}: outputs differ")
        if timed and stalls is None:
            found += slower(run.interval, network.cycles(), counts)
    return [f"{network.name}: {text}" for text in found]


def compiled(seed: int, index: int, spec: Graph, refused: Counter[str], counts: Counter[str]) -> list[str] | None:
    """Return what is wrong with the hardware of a drawn model in a random folding; None where it has none."""
    model = lower(random_graph(spec)).model
    try:
        fold_at_random(model, Draw(seed, index))
        stitched = stitch(model)
    except NetworkError as error:
        refused["".join(c for c in str(error) if not c.isdigit())[:160]] += 1
        return None
    found = []
    samples = {input_name(model): inputs_of_graph(spec)}
    for stalls in (None, Stalls(valid_probability=0.4, ready_probability=0.3)):
        try:
            result = compare(model, stitched, samples, stalls=stalls)
        except SimulationError as error:
            found.append(f"{stalls}: {str(error)[:1500]}")
            continue
        found += [f"{stalls}: {each}" for each in result.differences]
        if stalls is None:
            found += slower(result.interval or 0, result.estimated_interval, counts)
    return [f"{spec}: {text}" for text in found]


def drawn_graphs(first_seed: int, count: int) -> list[Graph]:
    """Return so many specifications of models with layers."""
    specs: list[Graph] = []

    @seeded(first_seed)
    @settings(
        max_examples=max(count, 1), database=None, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )  # fmt: skip
    @given(spec=graphs)
    def collect(spec: Graph) -> None:
        specs.append(spec)

    collect()
    return list(dict.fromkeys(spec for spec in specs if spec.blocks))


def main(
    units: Annotated[int, typer.Option(help="How many units to draw.")] = 1000,
    networks: Annotated[int, typer.Option(help="How many networks of units.")] = 40,
    models: Annotated[int, typer.Option(help="How many models, from export to simulation; some are refused.")] = 60,
    together: Annotated[int, typer.Option(help="How many units in one build.")] = 40,
    first_seed: Annotated[int, typer.Option(help="Seed of the first build; the next ones follow.")] = 0,
    output: Annotated[Path, typer.Option(help="File for the results.")] = RESULTS / "rtl_fuzz.json",
) -> None:
    kinds: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    failures: list[str] = []
    begin = time.perf_counter()

    def told(what: str, found: Sequence[str]) -> None:
        failures.extend(found)
        for text in found:
            typer.echo(text)
        typer.echo(f"{what}: {len(failures)} failures, {time.perf_counter() - begin:.0f} s")

    seed = first_seed
    while kinds.total() < units:
        chosen = drawn(seed, min(together, units - kinds.total()), refused)
        kinds.update(kind for kind, _ in chosen)
        found: list[str] = []
        bench, left = built([unit for _, unit in chosen], found)
        if bench is not None:
            found += [text for unit in left for text in problems(bench, unit)]
        told(f"seed {seed}: {kinds.total()} units", found)
        seed += 1
    for start in range(0, networks, NETWORKS_TOGETHER):
        joined = networks_of(first_seed + start, min(NETWORKS_TOGETHER, networks - start), refused)
        found = []
        bench, left = built(joined, found)
        for network in joined if bench is not None else []:
            if network in left:
                found += network_problems(bench, network, counts, timed=not network.name.startswith("lean"))
        counts["networks of units"] += len(joined) // 2
        counts["units in networks"] += sum(len(network.units) for network in joined[::2])
        told(f"seed {first_seed + start}: {counts['networks of units']} networks of units", found)
    for index, spec in enumerate(drawn_graphs(first_seed, models) if models else []):
        result = compiled(first_seed, index, spec, refused, counts)
        if result is not None:
            counts["models"] += 1
            told(f"{counts['models']} models", result)
    record(
        output,
        {
            "seconds": round(time.perf_counter() - begin),
            "first seed": first_seed,
            "units": dict(kinds.most_common()),
            "counts": dict(counts),
            "runs of each": len(WAYS),
            "refused": dict(refused.most_common()),
            "failures": failures,
        },
    )
    raise typer.Exit(1 if failures else 0)


if __name__ == "__main__":
    typer.run(main)
