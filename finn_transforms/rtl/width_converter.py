"""A width converter: the same elements in beats of another size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import lcm

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, instance, module, one_to_one


@dataclass(frozen=True, kw_only=True)
class WidthConverter(RtlUnit):
    """Turns beats of `elements_in` into beats of `elements_out` elements.

    Wider by a whole factor: a shift register.  Narrower by a whole factor: a multiplexer in front of the output
    register; the wide beat waits at the input meanwhile.  Otherwise both, through the least common multiple, with a
    register of that size in between so that one is filled while the other leaves.

    Attributes:
        name: Name of the top module.
        data_type: Data type of an element.
        elements_in: Elements per beat that comes in.
        elements_out: Elements per beat that goes out.
        elements: Elements per frame, a multiple of both.

    Raises:
        ValueError: the beats do not fill a frame, or are equal.
    """

    name: str
    data_type: BaseDataType
    elements_in: int
    elements_out: int
    elements: int

    def __post_init__(self) -> None:
        if self.elements_in == self.elements_out:
            raise ValueError(
                f"{self.name}: expected two different widths, found {self.elements_in} twice; leave it out"
            )
        if self.elements % self.elements_in or self.elements % self.elements_out:
            raise ValueError(
                f"{self.name}: expected widths that divide the {self.elements} elements of a frame, found "
                f"{self.elements_in} and {self.elements_out}; choose other PE or SIMD"
            )

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The stream it reads."""
        return (self._stream("in0_V", self.elements_in),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The stream it writes."""
        return (self._stream("out0_V", self.elements_out),)

    @property
    def common(self) -> int:
        """Elements after which beats of both sizes end."""
        return lcm(self.elements_in, self.elements_out)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the input in other beats."""
        return (np.asarray(inputs[0]).reshape(-1, self.elements // self.elements_out, self.elements_out),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, and what widens and narrows."""
        bits, common = self.data_type.bitwidth(), self.common
        widen, narrow = common // self.elements_in, common // self.elements_out
        if widen > 1 and narrow > 1:
            ratios = {"IN_WIDTH": self.elements_in * bits, "OUT_WIDTH": self.elements_out * bits}
            body = instance("bfx_rewidth", {**ratios, "COMMON": common * bits}, one_to_one())
            used = ["bfx_rewidth.sv", "bfx_widen.sv", "bfx_narrow.sv"]
        elif widen > 1:
            body = instance("bfx_widen", {"WIDTH": self.elements_in * bits, "RATIO": widen}, one_to_one())
            used = ["bfx_widen.sv"]
        else:
            body = instance("bfx_narrow", {"WIDTH": self.elements_out * bits, "RATIO": narrow}, one_to_one())
            used = ["bfx_narrow.sv"]
        return files_of(self.name, module(self, [body]), [*used, "bfx_counter.sv"])

    def cycles(self) -> int:
        """Return a cycle per beat of the narrower side."""
        return self.elements // min(self.elements_in, self.elements_out)

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return the beats that hold an output's last element, or, through a common multiple, its common beat's.

        A beat that is narrowed is accepted together with its last part, but its other parts leave before.
        """
        ends = np.arange(1, self.elements // self.elements_out + 1) * self.elements_out
        if self.common not in (self.elements_in, self.elements_out):
            ends = -(-ends // self.common) * self.common
        return (-(-ends // self.elements_in),)

    def _stream(self, name: str, elements: int) -> Stream:
        return Stream(name=name, data_type=self.data_type, elements=elements, beats=self.elements // elements)
