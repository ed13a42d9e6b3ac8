"""What a Brevitas user writes: ``input_quant=SparqAct4b5opt``."""

from __future__ import annotations

from typing import Any

from brevitas.inject import value
from brevitas.quant import Uint8ActPerTensorFloat
from torch import nn

from brevitas_ext.arith.sparq import WINDOW_SETS
from brevitas_ext.quantizers.layers import channels_axis
from brevitas_ext.quantizers.sparq_quant import SparqActQuantProxy, SparqIntQuant


class SparqAct4b5opt(Uint8ActPerTensorFloat):
    """SPARQ activation quantizer (arXiv 2105.11010): 8-bit unsigned integers in windows of 4 bits, in pairs.

    Activations are quantized to 8 bits as by Brevitas's `Uint8ActPerTensorFloat`, from which all other options come,
    and then go through the windows.  At a convolution's input, where pairs belong, an input that is quantized to 8
    unsigned bits already keeps its integers and scale:

    - ``QuantConv2d(64, 64, 3, input_quant=SparqAct4b5opt)``
    - ``QuantReLU(act_quant=SparqAct4b5opt)``: every reader of the activation gets the windows.

    Options, by ``.let(...)`` or as ``input_...`` of the layer:

    - ``bits``, ``shifts``: the windows.
    - ``rounding``: round instead of trimming (True).
    - ``overflow``: ``"saturate"``, or ``"carry"``.
    - ``pairs``: whether the partner of a zero gets a wide window (True).
    - ``axis``: the channels; that of the layer by default, else 1.

    The gradient is that of the 8-bit quantizer (straight through).
    """

    bits, shifts = WINDOW_SETS["4b5opt"]
    rounding = True
    overflow = "saturate"
    pairs = True
    int_quant = SparqIntQuant
    proxy_class = SparqActQuantProxy

    @value  # type: ignore[untyped-decorator]
    def axis(module: nn.Module | None = None) -> int:  # noqa: N805 - resolved by name, there is no self
        """The channels."""
        return channels_axis(module)

    @value  # type: ignore[untyped-decorator]
    def odd_tail(module: nn.Module | None = None) -> bool:  # noqa: N805
        """A linear layer's last input without a partner is paired with zero."""
        return isinstance(module, nn.Linear)


class SparqAct4b3opt(SparqAct4b5opt):
    """SPARQ with windows of 4 bits at 0, 2 and 4; see `SparqAct4b5opt`."""

    bits, shifts = WINDOW_SETS["4b3opt"]


class SparqAct4b2opt(SparqAct4b5opt):
    """SPARQ with windows of 4 bits at 0 and 4; see `SparqAct4b5opt`."""

    bits, shifts = WINDOW_SETS["4b2opt"]


class SparqAct3b6opt(SparqAct4b5opt):
    """SPARQ with all windows of 3 bits; see `SparqAct4b5opt`."""

    bits, shifts = WINDOW_SETS["3b6opt"]


class SparqAct2b7opt(SparqAct4b5opt):
    """SPARQ with all windows of 2 bits; see `SparqAct4b5opt`."""

    bits, shifts = WINDOW_SETS["2b7opt"]


class SparqAct5b4opt(SparqAct4b5opt):
    """SPARQ with all windows of 5 bits; see `SparqAct4b5opt`."""

    bits, shifts = WINDOW_SETS["5b4opt"]


class SparqAct6b3opt(SparqAct4b5opt):
    """SPARQ with all windows of 6 bits; see `SparqAct4b5opt`."""

    bits, shifts = WINDOW_SETS["6b3opt"]


class SparqAct7b2opt(SparqAct4b5opt):
    """SPARQ with both windows of 7 bits; see `SparqAct4b5opt`."""

    bits, shifts = WINDOW_SETS["7b2opt"]


SPARQ_QUANTIZERS: dict[str, Any] = {
    "7b2opt": SparqAct7b2opt,
    "6b3opt": SparqAct6b3opt,
    "5b4opt": SparqAct5b4opt,
    "4b5opt": SparqAct4b5opt,
    "4b3opt": SparqAct4b3opt,
    "4b2opt": SparqAct4b2opt,
    "3b6opt": SparqAct3b6opt,
    "2b7opt": SparqAct2b7opt,
}
"""The quantizers by the names of `WINDOW_SETS`."""
