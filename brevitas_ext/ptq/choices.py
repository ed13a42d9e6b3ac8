"""Which layers the recipe quantizes, and with which quantizers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from brevitas.quant import Uint8ActPerTensorFloat
from brevitas.quant.scaled_int import Int8ActPerTensorFloat
from torch import nn

from brevitas_ext.arith.sparq import SparqFormat
from brevitas_ext.ptq.exchange import calibrated
from brevitas_ext.ptq.ranges import InputRange
from brevitas_ext.quantizers.sparq import SparqAct4b5opt


def layers_to_keep(
    found: Mapping[str, InputRange],
    candidates: Mapping[str, nn.Module],
    keep: Collection[str] | None,
    *,
    linear: bool,
) -> list[str]:
    """Return the layers to leave alone, in the order of their calls.

    Raises:
        ValueError: a name is unknown, or nothing is left to quantize.
    """
    convolutions = [name for name in found if not isinstance(candidates[name], nn.Linear)]
    wanted = set(convolutions[:1] if keep is None else keep)
    if unknown := wanted - set(found):
        raise ValueError(
            f"sparq_ptq: expected keep to name layers out of {list(found)}, found {', '.join(sorted(unknown))}"
        )
    kept = [name for name in found if name in wanted or (isinstance(candidates[name], nn.Linear) and not linear)]
    if len(kept) == len(found):
        raise ValueError(
            f"sparq_ptq: expected a layer to quantize beside the first convolution, found only {list(found)}; set "
            "keep=() or linear=True"
        )
    return kept


def why_unfit(layer: nn.Module, seen: InputRange, sparq: SparqFormat) -> str | None:
    """Return why SPARQ's windows do not fit a layer's input; None where they do."""
    if seen.low < 0:
        return f"a signed input (lowest value {seen.low:g})"
    if not sparq.pairs or isinstance(layer, nn.Linear):
        return None
    channels, groups = layer.in_channels, layer.groups
    if not isinstance(channels, int) or not isinstance(groups, int) or channels // groups % 2 == 0:
        return None
    return f"{channels // groups} channels per group, which make no pairs"


def input_quantizer(sparq: SparqFormat | None, seen: InputRange, bits: int) -> Any:
    """Return the quantizer of a layer's input: windows, or where there are none, uniform integers of `bits` bits."""
    if sparq is None:
        signed = seen.low < 0
        base = Int8ActPerTensorFloat if signed else Uint8ActPerTensorFloat
        return calibrated(base.let(bit_width=bits), seen.magnitude if signed else seen.high)
    options = {"rounding": sparq.rounding, "overflow": sparq.overflow, "pairs": sparq.pairs}
    return calibrated(SparqAct4b5opt.let(bits=sparq.bits, shifts=sparq.shifts, **options), seen.high)
