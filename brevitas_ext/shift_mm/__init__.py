"""ShiftMM: integer matrix products with a left shift per inner index, for the groups of ShiftQuant."""

from brevitas_ext.shift_mm.digits import digit_product, fits_digits
from brevitas_ext.shift_mm.dispatch import shift_mm
from brevitas_ext.shift_mm.int8_product import has_vnni
from brevitas_ext.shift_mm.packed import PackedShift, pack_shift
from brevitas_ext.shift_mm.reference import shift_mm_reference
from brevitas_ext.shift_mm.triton_route import shift_mm_triton, triton_is_usable

__all__ = [
    "PackedShift",
    "digit_product",
    "fits_digits",
    "has_vnni",
    "pack_shift",
    "shift_mm",
    "shift_mm_reference",
    "shift_mm_triton",
    "triton_is_usable",
]
