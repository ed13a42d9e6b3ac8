"""A matrix of constants times a vector, unrolled: SystemVerilog of its adders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from finn_transforms.rtl.streams import Integers


@dataclass(frozen=True, kw_only=True)
class _Leaf:
    """An unsigned operand of a plane: a signal of `width` bits, or its complement."""

    signal: str
    width: int
    is_negative: bool

    def text(self, width: int) -> str:
        """Return it as an expression of so many bits."""
        sign = "~" if self.is_negative else ""
        fill = width - self.width
        return f"{{{fill}'b0, {sign}{self.signal}}}" if fill else f"{sign}{self.signal}"


@dataclass(frozen=True, kw_only=True, eq=False)
class ConstantMatrix:
    """Computes ``coefficients.T @ u + offsets`` modulo 2^P for unsigned u, every cycle a new one.

    Coefficients become signed digits without neighbours (non-adjacent form: a third of the digits differ from 0).
    Neighbouring inputs share their sum and difference among all outputs and digits: each digit's plane adds one
    operand per pair of inputs, or none.  Trees of adders of three operands, a register behind each, add planes, then
    their shifted sums and the constant.

    Attributes:
        coefficients: integers, (MW, MH).
        offsets: integers, (MH,).
        width: bits of an input.
        bits: P.
    """

    coefficients: Integers
    offsets: Integers
    width: int
    bits: int

    @property
    def depth(self) -> int:
        """Cycles from inputs to outputs."""
        return 1 + self._plane_levels + self._shift_levels + 1

    def lines(self, inputs: str, outputs: str, enable: str) -> list[str]:
        """Return the text of a module's body.

        Args:
            inputs: a vector of MW * width bits to be read.
            outputs: the name to declare, a vector of MH * P bits.
            enable: the signal that lets the pipeline move.
        """
        channels = len(self.offsets)
        lines = [f"logic [{channels * self.bits - 1}:0] {outputs};", *self._pairs(inputs, enable)]
        for channel in range(channels):
            lines += self._channel(channel, outputs, enable)
        return lines

    @cached_property
    def _planes(self) -> list[dict[int, list[_Leaf]]]:
        """Per channel the operands of each digit."""
        return [self._planes_of(channel) for channel in range(len(self.offsets))]

    @property
    def _plane_levels(self) -> int:
        return max((_levels(len(leaves)) for planes in self._planes for leaves in planes.values()), default=0)

    @property
    def _shift_levels(self) -> int:
        return max((_shift_levels(len(self._operands(channel))) for channel in range(len(self.offsets))), default=0)

    def _planes_of(self, channel: int) -> dict[int, list[_Leaf]]:
        digits = [_digits(int(value), self.bits) for value in self.coefficients[:, channel]]
        planes: dict[int, list[_Leaf]] = {}
        for first in range(0, len(digits), 2):
            pair = digits[first : first + 2]
            for place in sorted(set().union(*pair)):
                signs = [digit.get(place, 0) for digit in pair]
                planes.setdefault(place, []).append(self._leaf(first, signs))
        return planes

    def _leaf(self, first: int, signs: Sequence[int]) -> _Leaf:
        used = [(index, sign) for index, sign in enumerate(signs) if sign]
        if len(used) == 1:
            index, sign = used[0]
            return _Leaf(signal=f"x{first + index}", width=self.width, is_negative=sign < 0)
        kind = "sum" if signs[0] == signs[1] else "difference"
        return _Leaf(signal=f"{kind}{first}", width=self.width + 1, is_negative=signs[0] < 0)

    def _operands(self, channel: int) -> list[tuple[int, int, str]]:
        """Return shift, width and text of what a channel adds: its planes, and the constant."""
        operands = []
        constant = int(self.offsets[channel])
        for place, leaves in sorted(self._planes[channel].items()):
            operands.append((place, self._plane_bits(place, leaves), f"c{channel}_p{place}"))
            constant -= sum(self._excess(leaf) for leaf in leaves) << place
        constant %= 1 << self.bits
        if constant or not operands:
            zeros = (constant & -constant).bit_length() - 1 if constant else 0
            value = constant >> zeros
            width = max(1, value.bit_length())
            operands.append((zeros, width, f"{width}'h{value:x}"))
        return sorted(operands)

    def _plane_bits(self, place: int, leaves: Sequence[_Leaf]) -> int:
        return min((len(leaves) * _most(leaves)).bit_length(), self.bits - place)

    def _excess(self, leaf: _Leaf) -> int:
        """Return by how much an operand exceeds what it stands for: complements, and the inverse in a difference."""
        held = 2**self.width - 1 if leaf.signal.startswith("difference") else 0
        return 2**leaf.width - 1 - held if leaf.is_negative else held

    def _pairs(self, inputs: str, enable: str) -> list[str]:
        names = {leaf.signal for planes in self._planes for leaves in planes.values() for leaf in leaves}
        lines = []
        for index in range(len(self.coefficients)):
            field = f"{inputs}[{(index + 1) * self.width - 1}:{index * self.width}]"
            lines.append(f"wire [{self.width - 1}:0] in{index} = {field};")
            used = False
            if f"x{index}" in names:
                used = True
                lines += [f"logic [{self.width - 1}:0] x{index};", _register(enable, f"x{index}", f"in{index}")]
            for kind, sign in (("sum", ""), ("difference", "~")):
                name = f"{kind}{index}"
                if name in names:
                    used = True
                    total = f"{{1'b0, in{index}}} + {{1'b0, {sign}in{index + 1}}}"
                    lines += [f"logic [{self.width}:0] {name};", _register(enable, name, total)]
            paired = {f"sum{index - 1}", f"difference{index - 1}"} & names if index % 2 else set()
            if not used and not paired:
                lines.append(f"wire unused_field{index} = &{{1'b0, in{index}}};")
        return lines

    def _channel(self, channel: int, outputs: str, enable: str) -> list[str]:
        lines = []
        for place, leaves in sorted(self._planes[channel].items()):
            width, bits = max(leaf.width for leaf in leaves), self._plane_bits(place, leaves)
            parameters = f".N({len(leaves)}), .W({width}), .MAX({_most(leaves)}), .OW({bits}), "
            operands = ", ".join(leaf.text(width) for leaf in reversed(leaves))
            name = f"c{channel}_p{place}"
            lines += [
                f"wire [{bits - 1}:0] {name};",
                f"bfx_adder_tree #({parameters}.LEVELS({self._plane_levels})) i_{name} "
                f"(.clk(ap_clk), .en({enable}), .x({{{operands}}}), .y({name}));",
            ]
        operands_of = self._operands(channel)
        count, p = len(operands_of), self.bits
        shifts = ", ".join(f"32'd{shift}" for shift, _, _ in reversed(operands_of))
        widths = ", ".join(f"32'd{width}" for _, width, _ in reversed(operands_of))
        texts = ", ".join(f"{p}'({text})" for _, _, text in reversed(operands_of))
        parameters = f".N({count}), .OW({p}), .WIDTH({{{widths}}}), .SHIFT({{{shifts}}}), .LEVELS({self._shift_levels})"
        target = f"{outputs}[{(channel + 1) * p - 1}:{channel * p}]"
        return [
            *lines,
            f"wire [1:0][{p - 1}:0] c{channel};",
            f"bfx_shift_tree #({parameters}) i_c{channel} "
            f"(.clk(ap_clk), .en({enable}), .x({{{texts}}}), .y(c{channel}));",
            _register(enable, target, f"c{channel}[0] + c{channel}[1]"),
        ]


def _most(leaves: Sequence[_Leaf]) -> int:
    return int(2 ** max(leaf.width for leaf in leaves) - 1)


def _register(enable: str, target: str, value: str) -> str:
    return f"always_ff @(posedge ap_clk) if ({enable}) {target} <= {value};"


def _digits(value: int, bits: int) -> dict[int, int]:
    """Return the non-adjacent form of an integer, sign by place, places from `bits` on left out."""
    digits = {}
    place = 0
    while value and place < bits:
        if value & 1:
            digits[place] = 2 - value % 4
            value -= digits[place]
        value >>= 1
        place += 1
    return digits


def _levels(operands: int) -> int:
    levels = 0
    while operands > 1:
        operands, levels = -(-operands // 3), levels + 1
    return levels


def _shift_levels(operands: int) -> int:
    levels = 0
    while operands > 2:
        operands, levels = operands // 3 + operands % 3, levels + 1
    return levels
