"""QONNX's `BipolarQuant`: one bit, values -scale and scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import onnx
from numpy.typing import NDArray

from brevitas_ext.qonnx_ops._node import BodyOptions, refuse_nan


@dataclass(frozen=True, kw_only=True)
class BipolarQuant:
    """Golden function of a `BipolarQuant` node: `y = scale if x >= 0 else -scale`.

    The functions take the node's inputs after `x` as `parameters = (scale,)`, see `Quant` for dtypes.
    """

    op_type: ClassVar[str] = "BipolarQuant"

    @classmethod
    def from_node(cls, node: onnx.NodeProto) -> Self:  # noqa: ARG003 - the same signature as the other quantizers
        """Reads the attributes of a node, of which there are none."""
        return cls()

    def pre_rounding(self, x: NDArray[Any], parameters: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Returns the value in units of the scale's magnitude, of the shape of `x`; its sign is what counts."""
        return np.asarray(x / np.abs(parameters[0]))

    def to_integers(self, values: NDArray[Any], parameters: Sequence[NDArray[Any]]) -> NDArray[np.int64]:  # noqa: ARG002
        """Returns 1 where a value is at least zero, else -1; monotone in every value.

        Raises:
            ValueError: a value is not a number.
        """
        refuse_nan(values, self.op_type)
        return np.where(values >= 0, 1, -1)

    def dequantize(
        self, integers: NDArray[np.int64], parameters: Sequence[NDArray[Any]], dtype: type[np.floating[Any]]
    ) -> NDArray[Any]:
        """Returns the node's output for given integers, computed in `dtype`."""
        return np.asarray(integers.astype(dtype) * np.asarray(parameters[0], dtype=dtype))

    def requantize(self, output: NDArray[Any], parameters: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Returns the integers behind a float32 output of the node, as floats: NaN for NaN. Inverse of `dequantize`."""
        return np.rint(output.astype(np.float64) / np.asarray(parameters[0], dtype=np.float64))

    @staticmethod
    def function_text(options: BodyOptions) -> str:  # noqa: ARG004
        """Returns the ONNX text of the function body, without its header."""
        return """
        BipolarQuant (x, scale) => (y)
        {
          zero = Constant <value_float: float = 0.0> ()
          one = Constant <value_float: float = 1.0> ()
          minus_one = Constant <value_float: float = -1.0> ()
          positive = GreaterOrEqual (x, zero)
          signs = Where (positive, one, minus_one)
          y = Mul (signs, scale)
        }"""
