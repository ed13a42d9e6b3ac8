"""Random configurations of hardware units: some to fit to, some held out, some of these beyond the sizes fitted to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias, get_args

from finn_transforms.cost.timing import Family
from finn_transforms.rtl import RtlUnit

Part: TypeAlias = Literal["fit", "random", "extrapolation"]
PARTS: tuple[Part, ...] = get_args(Part)
SEED = 20261123
# A new one whenever the structure of an estimate was changed in view of the errors on the configurations held out.
HELD_OUT_SEED = 20261126


class Draw:
    """Random choices whose range depends on whether they are to lie beyond the fitted sizes."""

    def __init__(self, seed: str, *, beyond: bool) -> None:
        self.random = Random(seed)
        self.beyond = beyond

    def of(self, *choices: int) -> int:
        """Return one of some sizes, whatever the part."""
        return self.random.choice(choices)

    def size(self, fitted: tuple[int, ...], larger: tuple[int, ...]) -> int:
        """Return one of the sizes fitted to, or, beyond them, one of the larger ones."""
        return self.random.choice(larger if self.beyond else fitted)

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return self.random.random() < probability


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """How the configurations of one kind of unit are drawn, and how many.

    Attributes:
        draw: Makes one unit.
        counts: Configurations per part.
        fixed: Units that are always fitted to, in front of the random ones.
        dsp: Whether products may go into DSP slices; then only UltraScale+ is synthesised.
        both_families: How many of each held-out part are synthesised for 7-series, too.
    """

    draw: Callable[[Draw], RtlUnit]
    counts: tuple[int, int, int]
    fixed: Callable[[], Iterator[RtlUnit]] = lambda: iter(())
    both_families: int = 2
    dsp: bool = False


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One unit of the sweep."""

    kind: str
    part: Part
    family: Family
    unit: RtlUnit


def configurations(kind: str, sampler: Sampler) -> list[Configuration]:
    """Return the configurations of a kind, always the same ones; no two have the same source text."""
    seen: set[str] = set()
    found: list[Configuration] = []

    def add(part: Part, unit: RtlUnit) -> bool:
        key = hashlib.sha256(repr(sorted(unit.sources().items())).encode()).hexdigest()
        if key in seen:
            return False
        seen.add(key)
        found.append(Configuration(kind=kind, part=part, family="xcup", unit=unit))
        return True

    for unit in sampler.fixed():
        add("fit", unit)
    for part, count in zip(PARTS, sampler.counts, strict=True):
        seed = SEED if part == "fit" else HELD_OUT_SEED
        draw = Draw(f"{seed}/{kind}/{part}", beyond=part == "extrapolation")
        done = sum(add(part, sampler.draw(draw)) for _ in range(count))
        # A small space may be used up.
        for _ in range(20 * count):
            if done >= count:
                break
            done += add(part, sampler.draw(draw))
    held_out = [each for part in PARTS[1:] for each in [c for c in found if c.part == part][: sampler.both_families]]
    if sampler.dsp:
        held_out = []
    others = [Configuration(kind=each.kind, part=each.part, family="xc7", unit=each.unit) for each in held_out]
    # A sweep that was stopped has some of every part.
    everything = [*found, *others]
    Random(f"{SEED}/{kind}").shuffle(everything)
    return everything
