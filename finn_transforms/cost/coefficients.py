"""The fitted constants, from the data file that says with what they were measured and how far they are off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from finn_transforms.cost.regression import Spread
from finn_transforms.cost.timing import Family

MODEL: Final = "bfx-structure-1"


@dataclass(frozen=True, kw_only=True)
class KindModel:
    """The constants of one kind of layer.

    Attributes:
        luts: LUTs per unit of an amount, by name; what each amount is, is said where the terms are made.
        ff: Flip-flops per unit of an amount, by name.
        delay: Nanoseconds per unit of an amount, by part family and name.
        spread: How far the truth may be from the estimate.
        error: Relative errors of the fit and on configurations that were not fitted.
    """

    luts: Mapping[str, float]
    ff: Mapping[str, float]
    delay: Mapping[Family, Mapping[str, float]]
    spread: Spread
    error: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """All constants, and where they come from.

    Attributes:
        name: Name and version of the model.
        source: Tool, versions, part families and date of the measurements.
        kinds: Per kind of layer.
    """

    name: str
    source: Mapping[str, Any]
    kinds: Mapping[str, KindModel]


@cache
def load_model() -> CostModel:
    """Return the constants of ``coefficients.json``."""
    text = files("finn_transforms.cost").joinpath("coefficients.json").read_text(encoding="utf-8")
    return parse_model(json.loads(text))


def parse_model(document: Mapping[str, Any]) -> CostModel:
    """Return the constants of a document such as ``coefficients.json``."""
    kinds = {
        kind: KindModel(**{**entry, "spread": Spread(**entry["spread"])}) for kind, entry in document["kinds"].items()
    }
    return CostModel(name=document["model"], source=document["source"], kinds=kinds)
