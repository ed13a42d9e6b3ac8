"""Refit the cost model to a sweep of synthesised units, and say how far it is off on units it was not fitted to.

python benchmarks/cost/fit.py                              tens of minutes; what is synthesised already is not again
python benchmarks/cost/fit.py --kinds fifo,duplicate --no-write
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.cost.configurations import SAMPLERS, sweep
from benchmarks.cost.finn_estimates import finn_estimates
from benchmarks.cost.sampling import PARTS, Configuration
from benchmarks.recording import RESULTS, record
from finn_transforms.cost.coefficients import MODEL, load_model
from finn_transforms.cost.regression import Observation, Spread, fit, mean_relative_error, spread
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.synthesis import Synthesis
from finn_transforms.cost.synthesize import synthesis_tool
from finn_transforms.cost.synthesize_all import synthesize_all
from finn_transforms.cost.terms import amounts, lut_count
from finn_transforms.cost.timing import Family
from finn_transforms.cost.units import unit_structures
from finn_transforms.cost.utilization import Utilization

COEFFICIENTS = Path(__file__).resolve().parents[2] / "finn_transforms" / "cost" / "coefficients.json"
COVERAGE = 0.97
"""Share of the held-out configurations that an interval is made to hold."""

RELATIVES = {"vvau": "mvau", "sparq_mvau": "mvau"}

# Amounts of a delay that stand for the whole unit.
ENTIRE = {"unit", "fifo", "search", "converter", "duplicate"}

# Where a LUT per unit is far from what the hardware description suggests: what a controller takes as a whole.
EXPECTED = {
    "control": 20.0, "element_bit": 5.5, "address_bit": 5.0, "padding": 10.0, "feed_kept": 10.0, "feed_once": 8.0,
    "feed_held": 8.0, "feed_straight": 6.0, "handshake": 5.0, "handshake_stream": 4.0, "handshake_constant": 2.0,
    "handshake_table": 2.0, "unit": 5.0, "pool": 4.0, "global_sum": 5.0, "upsample": 10.0, "pixel_padding": 4.0,
    "shift_handshake": 5.0,
}  # fmt: skip
TRUST = 2e-3
"""Trust in what is expected of a constant, where there are more than a few of them."""
FEW = 8


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What the parts of a unit take that have constants of their own, fitted before."""

    lut: int = 0
    ff: float = 0.0

    @classmethod
    def of(cls, parts: Iterable[Structure]) -> Beside:
        kinds = load_model().kinds
        found = cls()
        for part in parts:
            luts = lut_count(part.terms, kinds[part.kind].luts).breakdown.total
            ff = sum(kinds[part.kind].ff.get(name, 0.0) * amount for name, amount in part.ff.items())
            found = cls(lut=found.lut + luts, ff=found.ff + ff)
        return found


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One configuration, what its arithmetic says and what its synthesis took."""

    configuration: Configuration
    structure: Structure
    truth: Utilization
    beside: Beside


def main(
    kinds: Annotated[str, typer.Option(help="Kinds of units, separated by commas.")] = ",".join(SAMPLERS),
    write: Annotated[bool, typer.Option(help="Write coefficients.json.")] = True,
    cache: Annotated[Path | None, typer.Option(help="Folder of synthesised results.")] = None,
    jobs: Annotated[int, typer.Option(help="Syntheses at a time.")] = 2,
    stored: Annotated[bool, typer.Option(help="Synthesise nothing, fit to what is stored.")] = False,
    worst: Annotated[int, typer.Option(help="Largest errors to list per kind.")] = 0,
    output: Annotated[Path, typer.Option(help="File for the results.")] = RESULTS / "cost_fit.json",
) -> None:
    document = json.loads(COEFFICIENTS.read_text(encoding="utf-8"))
    figures: dict[str, Any] = {}
    tools: set[str] = set()
    for kind in kinds.split(","):
        measured = measure(sweep(kind), cache, 0 if stored else jobs, dsp=SAMPLERS[kind].dsp)
        if not any(each.configuration.part == "fit" for each in measured):
            print(f"{kind}: nothing synthesised yet, its constants stay as they are")
            continue
        relative = document["kinds"].get(RELATIVES.get(kind, ""), {}).get("luts", {})
        entry = fitted(measured, {name: max(0.05, value) for name, value in relative.items()})
        document["kinds"][kind] = entry
        tools |= {each.truth.tool for each in measured}
        figures[kind] = {"error": entry["error"], "configurations": [row(each, entry) for each in measured]}
        list_worst(measured, entry, worst)
    document["model"] = MODEL
    document["source"] = {
        "tool": ", ".join(sorted(tools)), "families": ["xcup", "xc7"], "date": datetime.now(UTC).date().isoformat(),
        "command": "python benchmarks/cost/fit.py",
        "counting": "LUT sites of a unit out of context, its wrapper included: finn_transforms.cost.lut_sites",
    }  # fmt: skip
    if write:
        COEFFICIENTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        record(output, {"model": MODEL, "kinds": figures})
    Console(width=160).print(error_table(document))


def measure(configurations: list[Configuration], cache: Path | None, jobs: int, *, dsp: bool) -> list[Measured]:
    """Synthesise, or take from the cache, every configuration; with no jobs only the stored ones are returned."""
    truths: dict[int, Utilization] = {}
    if jobs == 0:
        for index, each in enumerate(configurations):
            result = Synthesis(each.unit, synthesis_tool(each.family, dsp=dsp), cache).stored()
            if result is not None:
                truths[index] = result
        return _measured(configurations, truths)
    for family in ("xcup", "xc7"):
        chosen = [(index, each) for index, each in enumerate(configurations) if each.family == family]
        results = synthesize_all(
            [each.unit for _, each in chosen], synthesis_tool(family, dsp=dsp), cache=cache, jobs=jobs
        )
        truths.update({index: result for (index, _), result in zip(chosen, results, strict=True)})
    return _measured(configurations, truths)


def _measured(configurations: list[Configuration], truths: dict[int, Utilization]) -> list[Measured]:
    found = []
    for index, each in enumerate(configurations):
        if index in truths:
            own, *others = unit_structures(each.unit, each.family)
            found.append(Measured(configuration=each, structure=own, truth=truths[index], beside=Beside.of(others)))
    return found


def fitted(measured: list[Measured], relative: Mapping[str, float]) -> dict[str, Any]:
    """Return the entry of ``coefficients.json`` of one kind.

    Args:
        measured: its sweep.
        relative: constants of the kind that it shares its adders with, as what is expected of its own.
    """
    ours = [each for each in measured if each.configuration.part == "fit"]
    luts = _fit([_lut_observation(each) for each in ours], {**EXPECTED, **relative})
    ff = _fit([Observation(each.structure.ff, each.truth.ff, each.beside.ff) for each in ours if each.truth.ff])
    delay = {"xcup": _delay(measured, "xcup", None)}
    # 7-series are about twice as slow, which stands where too few were synthesised.
    delay["xc7"] = _delay(measured, "xc7", {name: 2 * value for name, value in delay["xcup"].items()})
    entry: dict[str, Any] = {"luts": luts, "ff": ff, "delay": delay}
    held_out = [each for each in measured if each.configuration.part != "fit"] or measured
    entry["spread"] = vars(spread(*_pairs(held_out, luts), coverage=COVERAGE))
    entry["error"] = errors(measured, entry)
    return entry


def _fit(observations: list[Observation], expected: Mapping[str, float] | None = None) -> dict[str, float]:
    """Fit constants; what is expected of one is 1 unless it is said, a LUT, a flip-flop or a nanosecond."""
    names = sorted({name for each in observations for name in each.amounts})
    constants = fit(
        observations,
        {name: (expected or {}).get(name, 1.0) for name in names},
        trust=TRUST if len(names) > FEW else TRUST / 20,
    )
    return {name: float(f"{value:.5g}") for name, value in constants.items()}


def _delay(measured: list[Measured], family: Family, expected: Mapping[str, float] | None) -> dict[str, float]:
    """Fit nanoseconds of the critical path: about one besides what has an amount."""
    observations = [
        Observation(each.structure.delay, each.truth.critical_path.delay_ns)
        for each in measured
        if each.truth.critical_path is not None and each.configuration.family == family
    ]
    names = {name for each in measured for name in each.structure.delay}
    known = expected or {name: 1.0 if name in ENTIRE else 0.03 for name in names}
    constants = fit(observations, {name: max(1e-3, known[name]) for name in sorted(names)}, trust=TRUST)
    return {name: float(f"{value:.5g}") for name, value in constants.items()}


def _lut_observation(each: Measured) -> Observation:
    own, counted = amounts(each.structure.terms)
    return Observation(own, float(max(1, each.truth.lut)), counted + each.beside.lut)


def _pairs(measured: list[Measured], luts: dict[str, float]) -> tuple[list[int], list[int]]:
    estimates = [lut_count(each.structure.terms, luts).breakdown.total + each.beside.lut for each in measured]
    return [max(1, each) for each in estimates], [max(1, each.truth.lut) for each in measured]


def errors(measured: list[Measured], entry: dict[str, Any]) -> dict[str, Any]:
    """Return the mean and largest relative errors per part and family, and what share the interval holds."""
    found: dict[str, Any] = {}
    groups = {
        part: [each for each in measured if each.configuration.part == part and each.configuration.family == "xcup"]
        for part in PARTS
    }
    groups["xc7"] = [each for each in measured if each.configuration.family == "xc7"]
    for name, group in groups.items():
        if not group:
            continue
        estimates, truths = _pairs(group, entry["luts"])
        found[name] = {
            "configurations": len(group),
            "mean": mean_relative_error(estimates, truths),
            "largest": max(abs(ours - true) / true for ours, true in zip(estimates, truths, strict=True)),
        }
    held_out = [each for each in measured if each.configuration.part != "fit"]
    found["finn"] = finn_errors([each for each in held_out if each.configuration.family == "xcup"])
    found["coverage"] = cross_coverage(held_out, entry["luts"]) if len(held_out) > 1 else None
    return found


def finn_errors(held_out: list[Measured]) -> dict[str, float]:
    """Return the mean relative error of FINN+'s own estimate on the same configurations, by its operators."""
    figures: dict[str, list[tuple[float, int]]] = {}
    for each in held_out:
        for operator, theirs in finn_estimates(each.configuration.unit).items():
            figures.setdefault(operator, []).append((theirs.lut, max(1, each.truth.lut)))
    return {
        operator: float(np.mean([abs(theirs - truth) / truth for theirs, truth in pairs]))
        for operator, pairs in figures.items()
    }


def cross_coverage(held_out: list[Measured], luts: dict[str, float]) -> float:
    """Return the share of held-out configurations inside an interval that the other half of them made."""
    halves = held_out[::2], held_out[1::2]
    held = 0
    for makes, tries in (halves, halves[::-1]):
        width = spread(*_pairs(makes, luts), coverage=COVERAGE)
        held += sum(inside(width, *pair) for pair in zip(*_pairs(tries, luts), strict=True))
    return held / len(held_out)


def inside(width: Spread, estimate: int, truth: int) -> bool:
    low, high = width.interval(estimate)
    return low <= truth <= high


def row(each: Measured, entry: dict[str, Any]) -> dict[str, Any]:
    """Return one configuration as it is recorded."""
    (estimate,), _ = _pairs([each], entry["luts"])
    return {
        "part": each.configuration.part, "family": each.configuration.family, "unit": label(each.configuration),
        "synthesised": each.truth.lut, "estimated": estimate,
    }  # fmt: skip


def label(configuration: Configuration) -> str:
    """Return the parameters of a unit in a line, arrays left out."""
    unit = configuration.unit
    names = [each.name for each in fields(unit) if is_dataclass(unit) and each.name != "name"]
    values = {name: getattr(unit, name) for name in names}
    return ", ".join(f"{name}={value}" for name, value in values.items() if not isinstance(value, np.ndarray))


def list_worst(measured: list[Measured], entry: dict[str, Any], count: int) -> None:
    rows = [row(each, entry) | {"terms": amounts(each.structure.terms)} for each in measured]
    rows.sort(key=lambda each: -abs(each["estimated"] / each["synthesised"] - 1))
    for each in rows[:count]:
        print(each)


def error_table(document: dict[str, Any]) -> Table:
    table = Table("Kind", title="Relative error of the LUT estimate, %", title_justify="left")
    for part in (*PARTS, "xc7"):
        table.add_column(f"{part}: n", justify="right")
        table.add_column("mean", justify="right")
        table.add_column("largest", justify="right")
    table.add_column("interval ±", justify="right")
    table.add_column("held", justify="right")
    table.add_column("FINN+, held out")
    for kind, entry in document["kinds"].items():
        cells: list[str] = []
        for part in (*PARTS, "xc7"):
            error = entry["error"].get(part)
            cells += ["-"] * 3 if error is None else [
                str(error["configurations"]), f"{100 * error['mean']:.1f}", f"{100 * error['largest']:.1f}"
            ]  # fmt: skip
        width = entry["spread"]["relative"]
        table.add_row(kind, *cells, f"{100 * width:.1f}", _percent(entry["error"]["coverage"]), _finn(entry["error"]))
    return table


def _finn(error: dict[str, Any]) -> str:
    figures = error.get("finn", {}).items()
    return ", ".join(f"{operator.rpartition('_')[2]} {100 * mean:.0f}" for operator, mean in figures)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f}"


if __name__ == "__main__":
    typer.run(main)
