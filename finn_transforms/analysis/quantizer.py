"""What a ``Quant`` node with constant parameters says, checked and typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange
from brevitas_ext.qonnx_ops.quant import Quant
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import named
from finn_transforms.analysis.matching import NoMatchError
from finn_transforms.ops.registry import quant_operator


@dataclass(frozen=True, kw_only=True)
class Quantizer:
    """A uniform quantizer without zero point.

    Attributes:
        scale: float32 array, positive; any shape that broadcasts to the input.
        bits: width of the integers.
        operator: signedness, narrow range and rounding.
    """

    scale: NDArray[np.float32]
    bits: int
    operator: Quant

    @property
    def integers(self) -> IntRange:
        """The integers it can give."""
        return IntRange.of_bits(self.bits, signed=self.operator.signed, narrow=self.operator.narrow)

    @property
    def datatype(self) -> BaseDataType:
        """The QONNX data type of its integers."""
        return named(f"{'INT' if self.operator.signed else 'UINT'}{self.bits}")

    def integers_of(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return the integers of constant float32 ``values``, computed in float32 as every runtime does."""
        parameters = (self.scale, np.zeros((), np.float32), np.array(self.bits, np.float32))
        scaled = self.operator.pre_rounding(values, parameters)
        return self.operator.to_integers(scaled, parameters).astype(np.float32)


def read_quantizer(node: ir.Node) -> Quantizer:
    """Read a ``Quant`` node.

    Raises:
        NoMatchError: a parameter is computed at run time, or there is a zero point.
    """
    names = ("scale", "zero_point", "bit_width")
    values = dict(zip(names, map(constant, node.inputs[1:]), strict=True))
    for name, value in values.items():
        if value is None:
            raise NoMatchError(f"its {name} is not a constant", "Export the model in evaluation mode")
    scale, zero_point, bit_width = (np.asarray(values[name]) for name in names)
    if np.any(zero_point != 0):
        raise NoMatchError(
            f"its zero point is {np.unique(zero_point)[:4].tolist()}", "Use a symmetric quantizer (zero point 0)"
        )
    if not np.all(np.isfinite(scale) & (scale > 0)):
        raise NoMatchError("its scale is not positive and finite", "Train or calibrate the quantizer")
    if bit_width.size != 1 or not float(bit_width.item()).is_integer():
        raise NoMatchError(f"its bit width is {bit_width.tolist()}", "Use one integer bit width for the whole tensor")
    operator, bits = quant_operator(attributes_of(node)), int(bit_width.item())
    if bits == 1 and operator.signed:
        raise NoMatchError("it is bipolar (signed, one bit)", "Use two bits or more")
    return Quantizer(scale=scale.astype(np.float32), bits=bits, operator=operator)
