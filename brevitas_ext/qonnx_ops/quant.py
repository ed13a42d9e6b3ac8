"""QONNX's `Quant`: uniform integer quantization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import onnx
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from brevitas_ext.qonnx_ops._node import CODE_RANGE_TEXT, BodyOptions, node_attribute, refuse_nan, scalar_bits
from brevitas_ext.qonnx_ops.rounding import Rounding, rounding_text


@dataclass(frozen=True, kw_only=True)
class Quant:
    """Attributes and golden function of a `Quant` node.

    `q = round(clip(x / scale + zero_point))`, output `(q - zero_point) * scale`.

    The functions take the node's inputs after `x` as `parameters = (scale, zero_point, bit_width)` and compute in the
    dtype of `x`: float32 gives what Brevitas, QONNX and the function body compute, float64 the reference.

    Attributes:
        signed: Whether the integers are two's complement.
        narrow: Whether the integer range leaves out its lowest (signed) or highest (unsigned) code.
        rounding: How the scaled value becomes an integer.

    Source: QONNX operator definitions, `IntQuant`. A signed `Quant` of one bit is bipolar: -1 below zero, else 1.
    """

    op_type: ClassVar[str] = "Quant"

    signed: bool
    narrow: bool
    rounding: Rounding = Rounding.ROUND

    @classmethod
    def from_node(cls, node: onnx.NodeProto) -> Self:
        """Reads the attributes of a node.

        Raises:
            ValueError: a required attribute is missing, or the rounding mode is unknown.
        """
        return cls(
            signed=bool(node_attribute(node, "signed")),
            narrow=bool(node_attribute(node, "narrow")),
            rounding=Rounding.parse(str(node_attribute(node, "rounding_mode", "ROUND"))),
        )

    def pre_rounding(self, x: NDArray[Any], parameters: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Returns the value that is rounded and clipped next, of the shape of `x`."""
        scale, zero_point, _ = parameters
        return np.asarray(x / scale + zero_point)

    def to_integers(self, values: NDArray[Any], parameters: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """Rounds and clips pre-rounding values to integers; monotone in every value.

        Raises:
            ValueError: a value is not a number, or the bit width no positive integer scalar.
        """
        refuse_nan(values, self.op_type)
        bits = scalar_bits(parameters[2])
        if bits == 1 and self.signed:
            return np.where(values >= 0, 1, -1)
        codes = IntRange.of_bits(bits, signed=self.signed, narrow=self.narrow)
        return self.rounding(np.clip(values, codes.low, codes.high)).astype(np.int64)

    def dequantize(
        self, integers: NDArray[np.int64], parameters: Sequence[NDArray[Any]], dtype: type[np.floating[Any]]
    ) -> NDArray[Any]:
        """Returns the node's output for given integers, computed in `dtype`."""
        scale, zero_point, _ = (np.asarray(parameter, dtype=dtype) for parameter in parameters)
        return np.asarray((integers.astype(dtype) - zero_point) * scale)

    def requantize(self, output: NDArray[Any], parameters: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Returns the integers behind a float32 output of the node, as floats: NaN for NaN. Inverse of `dequantize`."""
        scale, zero_point, _ = (np.asarray(parameter, dtype=np.float64) for parameter in parameters)
        return np.rint(output.astype(np.float64) / scale + zero_point)

    @staticmethod
    def function_text(options: BodyOptions) -> str:
        """Returns the ONNX text of the function body, without its header."""
        return f"""
        Quant <signed, narrow, rounding_mode: string = "ROUND"> (x, scale, zero_point, bit_width) => (y)
        {{
          {CODE_RANGE_TEXT.format(bits="bit_width")}
          scaled = Div (x, scale)
          shifted = Add (scaled, zero_point)
          below = Min (shifted, highest)
          clipped = Max (below, lowest)
          {rounding_text("clipped", "rounded", options.roundings)}
          one_bit = Equal (bit_width, one)
          signed_flag = Cast <to = 9> (signed_int)
          is_bipolar = And (one_bit, signed_flag)
          {_BIPOLAR if options.bipolar else _NO_BIPOLAR}
          centred = Sub (integers, zero_point)
          known_scale = Mul (scale, known)
          y = Mul (centred, known_scale)
        }}"""


_BIPOLAR = """
          zero = Constant <value_float: float = 0.0> ()
          minus_one = Constant <value_float: float = -1.0> ()
          positive = GreaterOrEqual (shifted, zero)
          signs = Where (positive, one, minus_one)
          integers = Where (is_bipolar, signs, rounded)
          known = Where (is_bipolar, one, known_mode)"""

_NO_BIPOLAR = """
          integers = Identity (rounded)
          known = Where (is_bipolar, round_missing, known_mode)"""
