"""What distinguishes one fully quantized normalization from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from brevitas_ext.arith.quantized_norm import largest_integer

Order = Literal[1, 2]


@dataclass(frozen=True, kw_only=True)
class NormBits:
    """Bit widths of a normalization layer; None for float.

    Attributes:
        input: of the input, signed.
        statistics: of the means (signed) and the deviations (unsigned).
        affine: of weight and bias, signed.
        gradient: of the gradient that enters the backward pass, signed, rounded without bias.

    Raises:
        ValueError: a width below 2 or above 16.
    """

    input: int | None = 8
    statistics: int | None = 8
    affine: int | None = 8
    gradient: int | None = None

    def __post_init__(self) -> None:
        """Check the widths."""
        for bits in (self.input, self.statistics, self.affine, self.gradient):
            if bits is not None:
                largest_integer(bits)

    @classmethod
    def of(cls, bits: NormBits | int | None) -> NormBits:
        """Return the widths that a layer's argument stands for: one for all in the forward pass, or all of them."""
        return bits if isinstance(bits, NormBits) else cls(input=bits, statistics=bits, affine=bits)


@dataclass(frozen=True, kw_only=True)
class NormOptions:
    """One normalization, whatever its axes are.

    Attributes:
        order: 1 divides by the mean absolute deviation, 2 by the standard deviation.
        epsilon: floor of the deviation: `max(mean absolute deviation, sqrt(epsilon))`, `sqrt(variance + epsilon)`.
        bits: widths.

    Raises:
        ValueError: an unknown order, or an epsilon that is no floor.
    """

    order: Order
    epsilon: float
    bits: NormBits

    def __post_init__(self) -> None:
        """Check the values."""
        if self.order not in (1, 2):
            raise ValueError(f"normalization: expected order 1 or 2, found {self.order}")
        if not self.epsilon > 0:
            raise ValueError(
                f"normalization: expected a positive epsilon, which keeps the deviation off zero, found {self.epsilon}"
            )
