"""How the layers were folded, what that costs, and whether it can cost less."""

from __future__ import annotations

from typing import Any

from finn_transforms.folding import Folding


def folding_document(folding: Folding, method: str) -> dict[str, Any]:
    """Return ``folding.json``: the slowest layer, the LUTs, what they cannot be less than, and the width converters.

    Args:
        folding: the folded graph.
        method: how it was folded.
    """
    return {
        "method": method,
        "max_cycles": folding.cycles,
        "LUT": folding.lut,
        "LUT_of_width_converters": folding.converter_lut,
        "LUT_lower_bound": folding.lower_bound,
        "proven_optimal": folding.is_optimal,
        "width_converters": [
            {
                "from": converter.producer,
                "to": converter.consumer,
                "elements_in": converter.elements_in,
                "elements_out": converter.elements_out,
                "LUT": converter.cost.lut,
            }
            for converter in folding.converters
        ],
    }
