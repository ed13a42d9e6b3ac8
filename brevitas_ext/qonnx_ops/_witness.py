"""Inputs that drive an accumulator to its extreme, and the error that shows them."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray


class ContractViolationError(ValueError):
    """An accumulator can overflow.

    Attributes:
        layer: Name of the layer in the trained model.
        channel: The first output channel that overflows.
        accumulator_bits: `P`, the promised width in bits of the signed accumulator.
        extreme: The exact value that the accumulator reaches.
        witness: K input integers whose products add up to `extreme`; None stands for a term that is added only
            after the overflow, which happens where 0 is no input.
    """

    def __init__(
        self, *, layer: str, channel: int, accumulator_bits: int, extreme: int, witness: tuple[int | None, ...]
    ) -> None:
        self.layer = layer
        self.channel = channel
        self.accumulator_bits = accumulator_bits
        self.extreme = extreme
        self.witness = witness
        largest = (1 << (accumulator_bits - 1)) - 1
        super().__init__(
            f"Layer {layer!r}, channel {channel}: expected sums within [{-largest - 1}, {largest}] "
            f"(P = {accumulator_bits} bits), found {extreme}, reached by the {len(witness)} inputs "
            f"{_shorten(witness)} (all of them in the attribute 'witness'). "
            "Train or project the weights onto the budget for this width, or promise a wider accumulator."
        )


def overflow_witness(
    row: NDArray[Any], low: int, high: int, *, upward: bool, partial_sums: bool
) -> tuple[int | None, ...]:
    """Returns K inputs in [low, high] that drive the sum over `row`, shape (K,), to its extreme."""
    sign = 1 if upward else -1
    witness: list[int | None] = []
    for weight in map(int, row):
        value = high if sign * weight > 0 else low
        gain = sign * weight * value
        if partial_sums and gain <= 0:
            # This term does not help: an input of 0 leaves it out, else it is added after the overflow.
            witness.append(0 if low <= 0 <= high else None)
        else:
            witness.append(value)
    return tuple(witness)


def _shorten(witness: tuple[int | None, ...], limit: int = 16) -> str:
    shown = ", ".join("later" if value is None else str(value) for value in witness[:limit])
    return f"[{shown}{', ...' if len(witness) > limit else ''}]"
