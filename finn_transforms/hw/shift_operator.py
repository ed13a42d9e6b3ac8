"""The FINN operator of the matrix-vector unit that shifts products.

``ShiftMVAU`` is what the passes make, ``ShiftMVAU_rtl`` what FINN's ``SpecializeLayers`` makes of it: the unit of
`finn_transforms.rtl`.  Imports FINN; see `finn_transforms.hw.registration`.
"""

from __future__ import annotations

from typing import Any

from finn.custom_op.fpgadataflow.rtlbackend import RTLBackend

from finn_transforms.hw.layer_operator import MatrixOperator


class ShiftMVAU(MatrixOperator):
    """Multiplies vectors with a matrix that is kept inside, each product shifted by its input's exponent."""

    def get_nodeattr_types(self) -> dict[str, Any]:
        """Return the attributes with their types and defaults."""
        return {**super().get_nodeattr_types(), "shifts": ("ints", True, [])}


class ShiftMVAU_rtl(ShiftMVAU, RTLBackend):  # noqa: N801 - operators have the name of their class
    """The matrix-vector unit of `finn_transforms.rtl` that shifts products."""


GENERIC: tuple[type[Any], ...] = (ShiftMVAU,)
SPECIALIZED: tuple[type[Any], ...] = (ShiftMVAU_rtl,)
