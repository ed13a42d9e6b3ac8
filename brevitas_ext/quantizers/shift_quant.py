"""What a Brevitas user writes: ``input_quant=ShiftQuantAct``."""

from __future__ import annotations

from brevitas.inject import ExtendedInjector, this, value
from brevitas.inject.enum import FloatToIntImplType
from torch import nn

from brevitas_ext.quantizers.layers import channels_axis
from brevitas_ext.quantizers.shift_proxy import ShiftActQuantProxy
from brevitas_ext.quantizers.shift_ranges import ShiftTensorQuant


class ShiftQuantAct(ExtendedInjector):  # type: ignore[misc, valid-type]
    """ShiftQuant activation quantizer: channels in groups whose steps are powers of two apart.

    Source: ShiftQuant ("Towards Accurate and Efficient Sub-8-Bit Integer Training"); see
    `brevitas_ext.arith.shift_quant`.

    - ``QuantConv2d(64, 64, 3, input_quant=ShiftQuantAct.let(bits=4))``
    - ``QuantReLU(act_quant=ShiftQuantUintAct.let(bits=4, groups=3))``, ``QuantIdentity(act_quant=ShiftQuantAct)``

    In training the ranges of each batch decide (dynamic), and are collected; in evaluation and export the collected
    ones do (static), and values beyond them saturate.  `ShiftActQuantProxy.freeze` uses the static ones in training,
    too.  A quantized tensor is in units of the last group's step, so that its bit width is ``bits + groups - 1``.

    Options, by ``.let(...)`` or as ``input_...`` of the layer:

    - ``bits``: width of the integers, 2 to 8 (8); in layers Brevitas's name ``bit_width`` works as well.
    - ``groups``: number of groups, 1 to 16 (4).
    - ``axis``: the channels; that of the layer by default, else 1.
    - ``signed``: symmetric integers (True), or without sign, as `ShiftQuantUintAct`, for what is never negative.
    - ``stochastic``: round at random, without bias, in training (False); the generator's state is in the state dict.
    - ``seed``: what the generator starts from (0).
    - ``statistics``, ``momentum``: ``"ema"`` of the batches' ranges with weight 0.1 each, or their ``"max"``.

    The gradient is straight through, and zero where a value saturates.
    """

    tensor_quant = ShiftTensorQuant
    proxy_class = ShiftActQuantProxy
    float_to_int_impl_type = FloatToIntImplType.ROUND
    bits = 8
    bit_width = this.bits
    groups = 4
    signed = True
    narrow_range = this.signed
    stochastic = False
    seed = 0
    statistics = "ema"
    momentum = 0.1

    @value  # type: ignore[untyped-decorator]
    def axis(module: nn.Module | None = None) -> int:  # noqa: N805 - resolved by name, there is no self
        """The channels."""
        return channels_axis(module)


class ShiftQuantUintAct(ShiftQuantAct):
    """ShiftQuant without sign, for activations that are never negative; see `ShiftQuantAct`."""

    signed = False
