"""ShiftQuant's golden function on integers.

Exported files need no operator of ours for it: with known ranges it is a `Quant` whose scale per channel is
``scale * 2**-group``.
"""

from brevitas_ext.arith.shift_quant import ShiftQuantized, dequantize, shift_quantize

__all__ = ["ShiftQuantized", "dequantize", "shift_quantize"]
