"""What a ShiftQuant layer quantizes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from brevitas_ext.arith.shift_quant import checked_groups, largest_integer

WeightScales = Literal["channel", "tensor"]


class ShiftQuantOptions(TypedDict, total=False):
    """The fields of `ShiftQuantization`, as a layer's keyword arguments."""

    weight_bits: int
    activation_bits: int
    gradient_bits: int
    shift_groups: int
    weight_scales: WeightScales
    activation_signed: bool | None


@dataclass(frozen=True, kw_only=True)
class ShiftQuantization:
    """Bit widths and granularity of a layer's three products.

    Attributes:
        weight_bits: width of the weights' signed integers, 2 to 8.
        activation_bits: width of the activations' integers, 2 to 8.
        gradient_bits: width of the gradients' signed integers, 2 to 8.
        shift_groups: groups of channels of activations and gradients, 1 to 16; 1 is one scale per tensor.
        weight_scales: ``"channel"`` for a scale per output channel forward and per input channel backward (section
            5.1), ``"tensor"`` for one scale, as in the paper's INT8 baseline.
        activation_signed: whether activations have signed integers; None: where a tensor has a negative element, so
            that what comes from a ReLU uses all 2**activation_bits levels, as with the paper's zero point (Eq. 26).
    """

    weight_bits: int = 4
    activation_bits: int = 4
    gradient_bits: int = 4
    shift_groups: int = 4
    weight_scales: WeightScales = "channel"
    activation_signed: bool | None = None

    def __post_init__(self) -> None:
        for name in ("weight_bits", "activation_bits", "gradient_bits"):
            try:
                largest_integer(getattr(self, name), signed=True)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        checked_groups(self.shift_groups)
        if self.weight_scales not in get_args(WeightScales):
            raise ValueError(f"expected weight_scales out of {get_args(WeightScales)}, found {self.weight_scales!r}")

    def __str__(self) -> str:
        signed = {None: "", True: ", signed activations", False: ", unsigned activations"}[self.activation_signed]
        bits = f"W{self.weight_bits} A{self.activation_bits} G{self.gradient_bits}"
        return f"{bits}, {self.shift_groups} shift groups, weight scales per {self.weight_scales}{signed}"
