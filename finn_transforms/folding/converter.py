"""Stand-in for the estimate of a width converter, to be replaced by ``cost.estimate``."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from qonnx.core.datatype import BaseDataType

if TYPE_CHECKING:
    from finn_transforms.folding.costs import Cost


def converter_cost(data_type: BaseDataType, elements_in: int, elements_out: int) -> Cost:
    """Return a rough cost: a multiplexer where the stream narrows, enables where it widens, both otherwise."""
    from finn_transforms.folding.costs import Cost

    bits = int(data_type.bitwidth())
    common = gcd(elements_in, elements_out)
    ratio_in, ratio_out = elements_in // common, elements_out // common
    narrow = bits * elements_out * -(-(ratio_in - 1) // 3)
    widen = ratio_out if ratio_in == 1 else ratio_out * bits * common
    return Cost(lut=narrow + (widen if ratio_out > 1 else 0) + 8, ff=bits * max(elements_in, elements_out))
