"""FINN operators for hardware that FINN lacks: matrix-vector units in LUTs, without high-level synthesis.

SPARQ's encoder and matrix-vector unit and the one that shifts products, which FINN has no counterparts of, are
operators of their own.
FINN's ``MVAU_rtl`` computes on DSP slices only and refuses ``resType = "lut"``, for which FINN has its HLS variant.
Once `register` was called, ``MVAU_rtl`` with ``resType = "lut"`` is the unit of `finn_transforms.rtl`, everywhere in
FINN: specialization, folding, estimates, generation of hardware, stitching.
"""

from finn_transforms.hw.registration import register
from finn_transforms.hw.selection import request_luts

__all__ = ["register", "request_luts"]
