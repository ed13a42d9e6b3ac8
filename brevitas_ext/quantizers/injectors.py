"""What a Brevitas user writes: ``weight_quant=A2QWeightQuant, weight_accumulator_bit_width=14``."""

from __future__ import annotations

from brevitas.core.function_wrapper import RoundToZeroSte
from brevitas.core.scaling import ScalingPerOutputType
from brevitas.inject import ExtendedInjector, value
from torch import nn

from brevitas_ext.quantizers.proxy import A2QWeightQuantProxy
from brevitas_ext.quantizers.rows import ChannelRows
from brevitas_ext.quantizers.tensor_quant import A2QTensorQuant


class A2QWeightQuant(ExtendedInjector):  # type: ignore[misc, valid-type]
    """Accumulator-aware weight quantizer (A2Q, arXiv 2308.13504) for Brevitas's linear and convolutional layers.

    Narrow-range signed integers with one learned scale per output channel, such that no partial sum of a dot product
    with the layer's input, in any order, leaves a signed accumulator of the target width.  The layer's input must be
    quantized; its width and sign are learned from the first forward pass, and from every one the shifts of its channels
    if it comes from `ShiftQuantAct`.

    Parameters, with Brevitas's prefix ``weight_`` where they are passed to a layer:

    - ``bit_width``: M of the weights, 8 by default;
    - ``accumulator_bit_width``: target P, 32 by default;
    - ``input_bit_width`` and ``input_signed``: the input's format, if it is to be declared instead of observed.

    Example:
        >>> from brevitas.nn import QuantConv2d
        >>> conv = QuantConv2d(
        ...     16, 32, 3, weight_quant=A2QWeightQuant, weight_bit_width=4, weight_accumulator_bit_width=14,
        ...     weight_input_bit_width=4, weight_input_signed=False)
        >>> int(conv.quant_weight().int().abs().sum(dim=(1, 2, 3)).max()) <= (2**13 - 1) // 2**4
        True
    """

    proxy_class = A2QWeightQuantProxy
    tensor_quant = A2QTensorQuant
    bit_width = 8
    accumulator_bit_width = 32
    input_bit_width = None
    input_signed = None
    zero_centered = False
    # What exporters and Brevitas's own tools ask a quantizer for.
    signed = True
    narrow_range = True
    float_to_int_impl = RoundToZeroSte
    scaling_per_output_type = ScalingPerOutputType.CHANNEL
    scaling_per_output = ScalingPerOutputType.CHANNEL

    @value  # type: ignore[untyped-decorator]
    def layout(module: nn.Module | tuple[nn.Module, ...]) -> ChannelRows:  # noqa: N805 - Brevitas injects by argument name
        """Describe the layer's weight.

        Raises:
            NotImplementedError: several layers share the quantizer.
        """
        if isinstance(module, tuple):
            raise NotImplementedError(
                f"A2Q: expected one layer per weight quantizer, found {len(module)}; give each its own weight_quant"
            )
        return ChannelRows.of(module)


class A2QPlusWeightQuant(A2QWeightQuant):
    """A2Q+ (arXiv 2401.10432): `A2QWeightQuant` with zero-centered weights and about twice the budget.

    The positive and the negative integers of a channel each get half of the budget, so the guarantee is the same.
    """

    zero_centered = True
