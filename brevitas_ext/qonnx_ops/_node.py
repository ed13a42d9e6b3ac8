"""What the quantizer operators share: reading a node, and the part of the function body that spans the integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from brevitas_ext.qonnx_ops.rounding import Rounding


def node_attribute(node: onnx.NodeProto, name: str, default: object = None) -> Any:
    """Returns an attribute's value, strings decoded; raises ValueError if it is missing and has no default."""
    for attribute in node.attribute:
        if attribute.name == name:
            value = onnx.helper.get_attribute_value(attribute)
            return value.decode() if isinstance(value, bytes) else value
    if default is None:
        raise ValueError(
            f"{node.op_type} node {node.name!r}: expected the attribute {name!r}, found none. Export the model again."
        )
    return default


@dataclass(frozen=True, kw_only=True)
class BodyOptions:
    """What a function body has to handle; whatever else a node asks for comes out as NaN.

    Attributes:
        roundings: Rounding modes; every further one costs a pass over the tensor.
        bipolar: Whether a signed `Quant` may have one bit; costs three passes.
    """

    roundings: tuple[Rounding, ...] = tuple(Rounding)
    bipolar: bool = True


def scalar_bits(bit_width: NDArray[Any]) -> int:
    """Returns a bit width as an int; raises ValueError unless it is one positive integer."""
    values = np.asarray(bit_width)
    if values.size == 1 and float(values.item()).is_integer() and values.item() >= 1:
        return int(values.item())
    raise ValueError(
        f"Expected one positive integer bit width per quantizer, found {values.tolist()!r}. "
        "Give the quantizer a constant bit width per tensor."
    )


def refuse_nan(values: NDArray[Any], op_type: str) -> None:
    """Raises ValueError if a value is not a number."""
    if not np.isnan(values).any():
        return
    position = tuple(int(index) for index in np.argwhere(np.isnan(values))[0])
    raise ValueError(f"{op_type}: expected numbers, found NaN at {position}. Look upstream for a division by zero.")


CODE_RANGE_TEXT = """
          signed_int = Constant <value_int: int = @signed> ()
          narrow_int = Constant <value_int: int = @narrow> ()
          mode = Constant <value_string: string = @rounding_mode> ()
          is_signed = Cast <to = 1> (signed_int)
          is_narrow = Cast <to = 1> (narrow_int)
          one = Constant <value_float: float = 1.0> ()
          two = Constant <value_float: float = 2.0> ()
          magnitude_bits = Sub ({bits}, is_signed)
          codes = Pow (two, magnitude_bits)
          lowest_signed = Sub (is_narrow, codes)
          lowest = Mul (is_signed, lowest_signed)
          is_unsigned = Sub (one, is_signed)
          dropped = Mul (is_unsigned, is_narrow)
          last = Sub (codes, one)
          highest = Sub (last, dropped)"""
"""ONNX text that computes `lowest` and `highest` of the integers from the attributes and the bit width `{bits}`."""
