"""`Sparq`: what SPARQ makes of quantized activations, as an operator that any ONNX runtime can run.

The golden functions on integers, the encoded form and 2:4 selection are `brevitas_ext.arith`'s and offered here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
import onnx
from numpy.typing import NDArray

from brevitas_ext.arith.sparq import CODES, WINDOW_SETS, Overflow, SparqFormat, bsparq, vsparq
from brevitas_ext.arith.sparq_code import SparqCode, decode, encode, from_bits, pack, to_bits, unpack, word_bits
from brevitas_ext.arith.sparq_two_of_four import sparq_dot_two_of_four, sparq_two_of_four, two_of_four_places
from brevitas_ext.qonnx_ops._node import node_attribute

__all__ = [
    "DOMAIN",
    "DOMAIN_VERSION",
    "WINDOW_SETS",
    "Overflow",
    "Sparq",
    "SparqCode",
    "SparqFormat",
    "bsparq",
    "decode",
    "encode",
    "from_bits",
    "pack",
    "sparq_dot_two_of_four",
    "sparq_two_of_four",
    "to_bits",
    "two_of_four_places",
    "unpack",
    "vsparq",
    "word_bits",
]

DOMAIN: Final = "brevitas_ext.qonnx_ops.custom_op"
"""The operator's domain; a module of this name registers it with QONNX, which imports domains by name."""
DOMAIN_VERSION: Final = 1

_NOISE: Final = 2.0**-10
"""How far, in steps, float noise may take an 8-bit integer times its scale; float32 stays within 2**-15."""


@dataclass(frozen=True, kw_only=True)
class Sparq:
    """Attributes and golden function of a `Sparq` node: `y = scale * sparq(x / scale)`.

    `x` holds 8-bit unsigned integers times `scale`, a scalar (or anything that broadcasts), as an unsigned 8-bit
    `Quant` without zero point gives them; the output has its shape.

    Attributes:
        format: windows, rounding, overflow and pairs, one attribute each in the file.
        axis: the channels, along which values are paired: the reduction dimension of the layer that reads them.
    """

    op_type: ClassVar[str] = "Sparq"

    format: SparqFormat
    axis: int = 1

    def __post_init__(self) -> None:
        """Reject what is no axis."""
        if isinstance(self.axis, bool) or not isinstance(self.axis, int):
            raise TypeError(f"Sparq: expected an integer axis, got {self.axis!r}")

    @classmethod
    def from_node(cls, node: onnx.NodeProto) -> Self:
        """Reads the attributes of a node.

        Raises:
            ValueError: one is missing or has no meaning.
        """
        names = ("bits", "shifts", "rounding", "overflow", "pairs", "axis")
        defaults = {"rounding": 1, "overflow": "saturate", "pairs": 1, "axis": 1}
        return cls.from_attributes({name: node_attribute(node, name, defaults.get(name)) for name in names})

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any]) -> Self:
        """Reads attributes by name, as Python values.

        Raises:
            KeyError: one is missing.
            ValueError: one has no meaning.
        """
        flags = {name: attributes[name] for name in ("rounding", "pairs")}
        for name, value in flags.items():
            if value not in (0, 1):
                raise ValueError(f"Sparq: expected {name} 0 or 1, got {value!r}")
        return cls(
            format=SparqFormat(
                bits=attributes["bits"],
                shifts=tuple(attributes["shifts"]),
                rounding=bool(flags["rounding"]),
                overflow=attributes["overflow"],
                pairs=bool(flags["pairs"]),
            ),
            axis=int(attributes["axis"]),
        )

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes that a node has."""
        return {
            "bits": self.format.bits,
            "shifts": list(self.format.shifts),
            "rounding": int(self.format.rounding),
            "overflow": self.format.overflow,
            "pairs": int(self.format.pairs),
            "axis": self.axis,
        }

    def to_integers(self, x: NDArray[Any], scale: NDArray[Any]) -> NDArray[np.int64]:
        """Returns the integers that stand for the output, shape of `x`.

        Raises:
            ValueError: `x` is no 8-bit unsigned integer times the scale, or has no such axis.
        """
        steps = np.asarray(x, dtype=np.float64) / np.asarray(scale, dtype=np.float64)
        rounded = np.rint(steps)
        if (off := ~(np.abs(steps - rounded) <= _NOISE)).any():
            raise ValueError(
                f"Sparq: expected integers times the scale {np.ravel(scale)[:4].tolist()}, got {steps[off][0]} steps "
                f"at {np.argwhere(off)[0].tolist()}; let it follow an 8-bit Quant with the same scale"
            )
        return self.format(rounded.astype(np.int64), axis=self.axis)

    def evaluate(self, x: NDArray[Any], scale: NDArray[Any]) -> NDArray[Any]:
        """Returns the output of a node, in the dtype of `x`; errors are those of `to_integers`."""
        integers = self.to_integers(x, scale)
        return np.asarray(integers.astype(x.dtype) * np.asarray(scale, dtype=x.dtype))

    @staticmethod
    def function_text() -> str:
        """Returns the ONNX text of the function body, without its header.

        It computes what all 256 values are worth, narrow and wide, and looks every activation up.  A negative
        value and one from 256 to 511 find a NaN; the runtime refuses what is larger.
        """
        return f"""
        Sparq <bits, shifts, rounding: int = 1, overflow: string = "saturate", pairs: int = 1, axis: int = 1>
          (x, scale) => (y)
        {{
          zero_index = Constant <value_int: int = 0> ()
          one_index = Constant <value_int: int = 1> ()
          two_index = Constant <value_int: int = 2> ()
          codes = Constant <value_int: int = {CODES}> ()
          columns = Constant <value_ints: ints = [1]> ()
          zero = Constant <value_float: float = 0.0> ()
          one = Constant <value_float: float = 1.0> ()
          two = Constant <value_float: float = 2.0> ()
          eight = Constant <value_float: float = 8.0> ()
          integers = Range (zero_index, codes, one_index)
          values = Cast <to = 1> (integers)
          column = Unsqueeze (values, columns)
          mode = Constant <value_string: string = @overflow> ()
          carry_name = Constant <value_string: string = "carry"> ()
          carries = Equal (mode, carry_name)
          rounding_int = Constant <value_int: int = @rounding> ()
          narrow_rounds = Cast <to = 9> (rounding_int)
          always = Cast <to = 9> (one_index)
          bits_int = Constant <value_int: int = @bits> ()
          narrow_bits = Cast <to = 1> (bits_int)
          shifts_int = Constant <value_ints: ints = @shifts> ()
          narrow_shifts = Cast <to = 1> (shifts_int)
          double_bits = Mul (narrow_bits, two)
          wide_bits = Min (double_bits, eight)
          spare_bits = Sub (eight, wide_bits)
          wide_end = Add (spare_bits, one)
          wide_shifts = Range (zero, wide_end, one)
          {_window_text("narrow", "narrow_rounds")}
          {_window_text("wide", "always")}
          nothing = Div (zero, zero)
          no_values = Add (values, nothing)
          table = Concat <axis = 0> (narrow_values, no_values, wide_values, no_values)
          scaled = Div (x, scale)
          rounded = Round (scaled)
          code = Cast <to = 7> (rounded)
          shape = Shape (x)
          axis_int = Constant <value_int: int = @axis> ()
          channels = Gather <axis = 0> (shape, axis_int)
          positions = Range (zero_index, channels, one_index)
          parity = Mod (positions, two_index)
          back = Mul (parity, two_index)
          forth = Add (positions, one_index)
          partner_positions = Sub (forth, back)
          is_zero = Equal (code, zero_index)
          first = Constant <value_ints: ints = [0]> ()
          some = Gather <axis: int = @axis> (is_zero, first)
          not_some = Not (some)
          beyond = Or (some, not_some)
          with_tail = Concat <axis: int = @axis> (is_zero, beyond)
          partner_is_zero = Gather <axis: int = @axis> (with_tail, partner_positions)
          pairs_int = Constant <value_int: int = @pairs> ()
          in_pairs = Cast <to = 9> (pairs_int)
          is_wide = And (partner_is_zero, in_pairs)
          wide_int = Cast <to = 7> (is_wide)
          half = Mul (codes, two_index)
          whole = Mul (half, two_index)
          wide_offset = Mul (wide_int, half)
          offset_code = Add (code, wide_offset)
          below = Less (code, zero_index)
          last = Sub (whole, one_index)
          index = Where (below, last, offset_code)
          worth = Gather <axis = 0> (table, index)
          y = Mul (worth, scale)
        }}"""


def _window_text(name: str, rounds: str) -> str:
    """Returns ONNX text that computes `{name}_values` (256,) from `{name}_bits` and `{name}_shifts`."""
    lines = """
        {n}_units = Pow (two, {n}_shifts)
        {n}_size = Pow (two, {n}_bits)
        {n}_limits = Mul ({n}_units, {n}_size)
        {n}_beyond = GreaterOrEqual (column, {n}_limits)
        {n}_beyond_int = Cast <to = 7> ({n}_beyond)
        {n}_place = ReduceSum <keepdims = 0> ({n}_beyond_int, columns)
        {n}_unit = Gather <axis = 0> ({n}_units, {n}_place)
        {n}_ratio = Div (values, {n}_unit)
        {n}_nearest = Round ({n}_ratio)
        {n}_trimmed = Floor ({n}_ratio)
        {n}_data = Where ({rounds}, {n}_nearest, {n}_trimmed)
        {n}_last = Sub ({n}_size, one)
        {n}_kept = Min ({n}_data, {n}_last)
        {n}_saturated = Mul ({n}_kept, {n}_unit)
        {n}_overflows = Greater ({n}_data, {n}_last)
        {n}_carried = Mul ({n}_size, {n}_unit)
        {n}_next = Add ({n}_place, one_index)
        {n}_count = Size ({n}_units)
        {n}_top = Sub ({n}_count, one_index)
        {n}_next_place = Min ({n}_next, {n}_top)
        {n}_next_unit = Gather <axis = 0> ({n}_units, {n}_next_place)
        {n}_is_inside = Less ({n}_place, {n}_top)
        {n}_holds = LessOrEqual ({n}_next_unit, {n}_carried)
        {n}_has_next = And ({n}_is_inside, {n}_holds)
        {n}_may_carry = And ({n}_has_next, carries)
        {n}_carries = And ({n}_may_carry, {n}_overflows)
        {n}_values = Where ({n}_carries, {n}_carried, {n}_saturated)"""
    return lines.format(n=name, rounds=rounds).strip()
