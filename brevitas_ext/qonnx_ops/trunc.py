"""QONNX's `Trunc`, version 2: drops the lowest bits of integers."""

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
class Trunc:
    """Attributes and golden function of a `Trunc` node, which requantizes integers by a power of two.

    The functions take the node's inputs after `x` as `parameters = (scale, zero_point, input_bit_width, output_scale,
    output_bit_width)`, see `Quant` for dtypes. With `t = output_scale / scale`, a power of two, the output integer is
    `clip(round(rint(x / scale + zero_point) / t))`: the first rounding only removes floating-point noise.

    Attributes:
        signed: Whether the integers are two's complement.
        narrow: Whether the integer range leaves out its lowest (signed) or highest (unsigned) code.
        rounding: How the dropped bits are rounded.

    Source: QONNX operator definitions, `Trunc` since version 2.
    """

    op_type: ClassVar[str] = "Trunc"

    signed: bool
    narrow: bool
    rounding: Rounding = Rounding.FLOOR

    @classmethod
    def from_node(cls, node: onnx.NodeProto) -> Self:
        """Reads the attributes of a node.

        Raises:
            ValueError: the rounding mode is missing or unknown.
        """
        return cls(
            signed=bool(node_attribute(node, "signed", 1)),
            narrow=bool(node_attribute(node, "narrow", 0)),
            rounding=Rounding.parse(str(node_attribute(node, "rounding_mode"))),
        )

    def pre_rounding(self, x: NDArray[Any], parameters: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Returns the input integers before their floating-point noise is removed, of the shape of `x`."""
        scale, zero_point, *_ = parameters
        return np.asarray(x / scale + zero_point)

    def to_integers(self, values: NDArray[Any], parameters: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """Rounds, divides, clips and rounds pre-rounding values to integers; monotone in every value.

        Raises:
            ValueError: a value is not a number, or the output bit width no positive integer scalar.
        """
        refuse_nan(values, self.op_type)
        codes = IntRange.of_bits(scalar_bits(parameters[4]), signed=self.signed, narrow=self.narrow)
        divided = np.rint(values) / _divisor(parameters).astype(values.dtype)
        return self.rounding(np.clip(divided, codes.low, codes.high)).astype(np.int64)

    def dequantize(
        self, integers: NDArray[np.int64], parameters: Sequence[NDArray[Any]], dtype: type[np.floating[Any]]
    ) -> NDArray[Any]:
        """Returns the node's output for given integers, computed in `dtype`."""
        zero_point, output_scale = (np.asarray(parameters[index], dtype=dtype) for index in (1, 3))
        return np.asarray((integers.astype(dtype) - zero_point / _divisor(parameters).astype(dtype)) * output_scale)

    def requantize(self, output: NDArray[Any], parameters: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Returns the integers behind a float32 output of the node, as floats: NaN for NaN. Inverse of `dequantize`."""
        zero_point, output_scale = (np.asarray(parameters[index], dtype=np.float64) for index in (1, 3))
        return np.rint(output.astype(np.float64) / output_scale + zero_point / _divisor(parameters))

    @staticmethod
    def function_text(options: BodyOptions) -> str:
        """Returns the ONNX text of the function body, without its header."""
        return f"""
        Trunc <rounding_mode: string, signed: int = 1, narrow: int = 0>
          (x, scale, zero_point, input_bit_width, output_scale, output_bit_width) => (y)
        {{
          {CODE_RANGE_TEXT.format(bits="output_bit_width")}
          ratio = Div (output_scale, scale)
          ratio_log = Log (ratio)
          log_two = Log (two)
          exponent_float = Div (ratio_log, log_two)
          exponent = Round (exponent_float)
          divisor = Pow (two, exponent)
          scaled = Div (x, scale)
          shifted = Add (scaled, zero_point)
          input_integers = Round (shifted)
          divided = Div (input_integers, divisor)
          below = Min (divided, highest)
          clipped = Max (below, lowest)
          {rounding_text("clipped", "integers", options.roundings)}
          output_zero_point = Div (zero_point, divisor)
          centred = Sub (integers, output_zero_point)
          known_scale = Mul (output_scale, known_mode)
          y = Mul (centred, known_scale)
        }}"""


def _divisor(parameters: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    ratio = np.asarray(parameters[3], dtype=np.float64) / np.asarray(parameters[0], dtype=np.float64)
    return np.exp2(np.rint(np.log2(ratio)))
