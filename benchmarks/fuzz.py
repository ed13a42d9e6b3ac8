"""Thousands of random networks through the whole compiler: what was checked, what was refused and why.

Each network is exported, lowered pass by pass and emulated after every pass; every output has to stay, bit for bit, and
no pass may change its own result.  Certificates are replayed and their witnesses fed to the emulator.  A share of the
networks is also executed by FINN's own nodes.  A failure stops the run and
prints the smallest network that shows it.

    python benchmarks/fuzz.py                      2,000 networks
    python benchmarks/fuzz.py --networks 200 --finn-every 5
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from hypothesis import HealthCheck, Phase, given, seed, settings
from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.recording import RESULTS, record
from finn_transforms.analysis.accumulators import Overflow
from tests.support.fuzz import EXPECTED_REFUSALS, check_certificates, check_finn, check_graph
from tests.support.random_graphs import Graph, graphs, random_graph


def main(
    networks: Annotated[int, typer.Option(help="How many networks to draw.")] = 2000,
    finn_every: Annotated[int, typer.Option(help="Every how many networks FINN's nodes are executed too.")] = 10,
    first_seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    output: Annotated[Path, typer.Option(help="File for the results.")] = RESULTS / "fuzz.json",
) -> None:
    operators: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    begin = time.perf_counter()
    with Progress() as progress:
        task = progress.add_task("networks", total=networks)

        @seed(first_seed)
        @settings(
            max_examples=networks,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )
        @given(spec=graphs)
        def run(spec: Graph) -> None:
            outcome = check_graph(spec)
            counts["networks"] += 1
            operators.update(outcome.operators)
            for text in outcome.refusals:
                known = next((known.pattern for known in EXPECTED_REFUSALS if known.search(text)), None)
                refusals[known or f"UNEXPECTED {text}"] += 1
            overflow: Overflow = "wrap" if counts["networks"] % 2 else "any_order"
            counts["certificates replayed"] += check_certificates(random_graph(spec), overflow)
            if counts["networks"] % finn_every == 0:
                counts["tensors compared with FINN"] += check_finn(spec)
                counts["networks executed by FINN"] += 1
            progress.update(task, completed=counts["networks"])

        run()
    result = {
        "seconds": round(time.perf_counter() - begin),
        "counts": dict(counts),
        "operators": dict(operators.most_common()),
        "refusals": dict(refusals.most_common()),
        "seed": first_seed,
    }
    record(output, result)
    typer.echo(f"{counts['networks']} networks, no difference; {dict(counts)}")
    for text, count in refusals.most_common():
        typer.echo(f"{count:6d}  {text}")


if __name__ == "__main__":
    typer.run(main)
