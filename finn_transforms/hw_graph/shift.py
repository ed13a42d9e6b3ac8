"""The matrix-vector unit that shifts products."""

from __future__ import annotations

from dataclasses import dataclass

from finn_transforms.hw_graph.attributes import HwGraphError, NodeReader
from finn_transforms.hw_graph.mvau import MvauParams


@dataclass(frozen=True, kw_only=True)
class ShiftMvauParams(MvauParams):
    """A matrix of MW x MH weights applied to a stream of vectors, each product shifted left by its input's exponent.

    All else is as in `MvauParams`, whose ``weight_type`` is that of the unshifted weights.

    Attributes, besides those of the MVAU:
        shifts: The exponents, MW of them, from 0 on.

    Raises:
        HwGraphError: SIMD or PE divides nothing, or the shifts are not MW numbers from 0 on.
    """

    shifts: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.shifts) != self.mw or min(self.shifts) < 0:
            raise HwGraphError(
                f"Layer {self.name!r}: expected MW = {self.mw} shifts from 0 on, found {len(self.shifts)} from "
                f"{min(self.shifts, default=0)} on. Lower the model again."
            )

    @classmethod
    def from_reader(cls, reader: NodeReader) -> ShiftMvauParams:
        """Read the node; its products are in LUTs, whatever it asks for."""
        plain = MvauParams.from_reader(reader)
        values = {name: getattr(plain, name) for name in MvauParams.__dataclass_fields__}
        return cls(shifts=reader.integers("shifts"), **values | {"dsp": False})
