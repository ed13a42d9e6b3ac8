"""What a quantizer node with constant parameters says, checked and typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange
from brevitas_ext.qonnx_ops.bipolar_quant import BipolarQuant
from brevitas_ext.qonnx_ops.quant import Quant
from brevitas_ext.qonnx_ops.trunc import Trunc
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant, exact_float32
from finn_transforms.analysis.datatypes import named, readable, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError
from finn_transforms.ops.quantizers import QuantizerOperator, quantizer_operator

_PARAMETERS = {
    "BipolarQuant": ("scale",),
    "IntQuant": ("scale", "zero_point", "bit_width"),
    "Quant": ("scale", "zero_point", "bit_width"),
    "Trunc": ("scale", "zero_point", "input_bit_width", "output_scale", "output_bit_width"),
}


@dataclass(frozen=True, kw_only=True)
class Quantizer:
    """A uniform quantizer; what counts as its integers are its codes minus its zero point.

    Attributes:
        scale: float32 array, the value of an integer of 1; any shape that broadcasts to the input.  Of a
            `BipolarQuant` it may be negative.
        zero_point: float64 array of integers that a code is larger by than its integer; any shape that broadcasts.
        bits: width of the codes.
        operator: how values become codes.
        parameters: the node's inputs behind the first, float32.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.float64]
    bits: int
    operator: QuantizerOperator
    parameters: tuple[NDArray[np.float32], ...]

    @property
    def is_bipolar(self) -> bool:
        """Whether it gives -1 and 1 only."""
        if isinstance(self.operator, Quant):
            return self.operator.signed and self.bits == 1
        return isinstance(self.operator, BipolarQuant)

    @property
    def codes(self) -> IntRange:
        """The codes it can give, -1 and 1 of a bipolar quantizer."""
        if isinstance(self.operator, BipolarQuant) or self.is_bipolar:
            return IntRange(-1, 1)
        return IntRange.of_bits(self.bits, signed=self.operator.signed, narrow=self.operator.narrow)

    @property
    def integers(self) -> IntRange:
        """The integers it can give, over all channels."""
        codes = self.codes
        return IntRange(codes.low - int(self.zero_point.max()), codes.high - int(self.zero_point.min()))

    @property
    def datatype(self) -> BaseDataType:
        """The QONNX data type of its integers, two bits wide for 0 and 1."""
        if self.is_bipolar:
            return named("BIPOLAR")
        if isinstance(self.operator, BipolarQuant) or np.any(self.zero_point != 0):
            return readable(smallest_datatype(self.integers))
        return readable(named(f"{'INT' if self.operator.signed else 'UINT'}{self.bits}"))

    def integers_of(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return the integers of constant float32 ``values``, computed in float32 as every runtime does."""
        if isinstance(self.operator, BipolarQuant):
            return np.where(values >= 0, 1, -1).astype(np.float32)
        scaled = self.operator.pre_rounding(values, self.parameters)
        return (self.operator.to_integers(scaled, self.parameters) - self.zero_point).astype(np.float32)


def read_quantizer(node: ir.Node) -> Quantizer:
    """Read a ``Quant``, ``IntQuant``, ``BipolarQuant`` or ``Trunc`` node.

    Raises:
        NoMatchError: a parameter is computed at run time or impossible.
    """
    parameters = _constants(node)
    scale, bits = parameters[0], 1
    zero_point: NDArray[np.float64] = np.zeros(())
    operator = _operator(node)
    if isinstance(operator, BipolarQuant):
        if not np.all(np.isfinite(scale) & (scale != 0)):
            raise NoMatchError("its scale is zero or not finite", "Train or calibrate the quantizer")
    else:
        scale = parameters[3] if isinstance(operator, Trunc) else scale
        for each in (scale, parameters[0]):
            if not np.all(np.isfinite(each) & (each > 0)):
                raise NoMatchError("its scale is not positive and finite", "Train or calibrate the quantizer")
        zero_point = _zero_point(operator, parameters)
        bits = _bits(parameters[-1])
        if bits == 1 and not isinstance(operator, Trunc) and operator.signed and np.any(zero_point != 0):
            raise NoMatchError("it is bipolar and has a zero point", "Use two bits or more")
        if bits == 1 and isinstance(operator, Trunc) and operator.signed and operator.narrow:
            raise NoMatchError("one bit, signed and narrow, leaves a single code", "Use two bits or more")
    return Quantizer(
        scale=scale.astype(np.float32), zero_point=zero_point, bits=bits, operator=operator, parameters=parameters
    )


def _operator(node: ir.Node) -> QuantizerOperator:
    try:
        return quantizer_operator(node.op_type, attributes_of(node))
    except (KeyError, ValueError) as error:
        raise NoMatchError(f"its attributes are incomplete or unknown: {error}", "Export the model again") from error


def _constants(node: ir.Node) -> tuple[NDArray[np.float32], ...]:
    names = _PARAMETERS[node.op_type]
    if len(node.inputs) != 1 + len(names):
        raise NoMatchError(
            f"it has {len(node.inputs)} inputs, expected x, {', '.join(names)}",
            "Export the model again with an exporter of the same version of QONNX's operators",
        )
    parameters = []
    for name, value in zip(names, node.inputs[1:], strict=True):
        array = constant(value)
        if array is None:
            raise NoMatchError(f"its {name} is not a constant", "Export the model in evaluation mode")
        if not array.size:
            raise NoMatchError(f"its {name} is empty, of shape {array.shape}", "Export the model again")
        stored = exact_float32(array)
        if stored is None:
            raise NoMatchError(
                f"float32 does not hold its {name}, {np.unique(array)[:4].tolist()}", "Export the model in float32"
            )
        parameters.append(stored)
    return tuple(parameters)


def _zero_point(operator: QuantizerOperator, parameters: tuple[NDArray[np.float32], ...]) -> NDArray[np.float64]:
    zero_point = parameters[1].astype(np.float64)
    if isinstance(operator, Trunc):
        ratio = parameters[3].astype(np.float64) / parameters[0].astype(np.float64)
        zero_point = zero_point / np.exp2(np.rint(np.log2(ratio)))
    if not np.all(np.isfinite(zero_point) & (zero_point == np.rint(zero_point))):
        raise NoMatchError(
            f"its zero point is {np.unique(zero_point)[:4].tolist()}, no integer", "Round the zero point when exporting"
        )
    return zero_point


def _bits(bit_width: NDArray[np.float32]) -> int:
    if bit_width.size != 1 or not float(bit_width.item()).is_integer() or bit_width.item() < 1:
        raise NoMatchError(f"its bit width is {bit_width.tolist()}", "Use one integer bit width for the whole tensor")
    return int(bit_width.item())
