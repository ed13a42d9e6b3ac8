"""The Brevitas side of an accumulator-aware weight quantizer: where it learns its layer's input format."""

from __future__ import annotations

import math
from typing import Any

import torch
from brevitas.proxy import DecoupledWeightQuantWithInputProxyFromInjector
from brevitas.quant_tensor import IntQuantTensor, QuantTensor
from torch import Tensor

from brevitas_ext.quantizers.a2q import A2QConfig
from brevitas_ext.quantizers.brevitas_checkpoint import StateDict
from brevitas_ext.quantizers.options import refuse_ignored_options
from brevitas_ext.quantizers.shift_proxy import ShiftQuantTensor, channel_shifts
from brevitas_ext.quantizers.tensor_quant import A2QTensorQuant

_HOW_TO_QUANTIZE = (
    "quantize the layer's input (input_quant=..., or return_quant_tensor=True in the layer before), or declare it with "
    "weight_input_bit_width=... and weight_input_signed=..."
)


_INPUT_FORMAT = ("input_bit_width", "input_signed", "input_shifts")


class UnknownInputFormatError(RuntimeError):
    """The weight was asked for before the layer had seen or been told the format of its input."""


class A2QWeightQuantProxy(DecoupledWeightQuantWithInputProxyFromInjector):
    """Weight proxy that remembers bit width and sign of the layer's input.

    The budget of A2Q depends on the input's format.  Every forward pass, in training or evaluation, notes it in two
    buffers that are part of the state dict, so `quant_weight()` works afterwards and after reloading, without any cache
    to enable.

    Inputs from ShiftQuant come with a left shift per channel, which weighs the norm (`brevitas_ext.quantizers.a2q`).
    The shifts are those of the static ranges, in training as in evaluation: while ranges are still collected the
    weights follow them from step to step, and every forward pass leaves weights that fit the shifts of that moment.
    `freeze_shift_ranges` ends that; do it once ranges are calibrated.

    Attributes:
        input_bit_width: N of the last quantized input, before its shifts; 0 as long as it is not known.
        input_signed: whether that input was signed.
        input_shifts: left shift of each of its channels, int64, shape (inputs,); empty if it had none.
    """

    tensor_quant: A2QTensorQuant  # type: ignore[assignment]  # a base class declares None
    input_bit_width: Tensor
    input_signed: Tensor
    input_shifts: Tensor

    def __init__(self, quant_layer: torch.nn.Module, quant_injector: Any) -> None:
        refuse_ignored_options(quant_layer, quant_injector)
        super().__init__(quant_layer, quant_injector)
        declared_bits, declared_sign = quant_injector.input_bit_width, quant_injector.input_signed
        if (declared_bits is None) != (declared_sign is None):
            raise ValueError(
                f"A2Q: expected both weight_input_bit_width and weight_input_signed or neither, found {declared_bits} "
                f"and {declared_sign}; give the other one as well"
            )
        # A plain copy of the buffers: reading a tensor would stall an accelerator in every step.
        self._input_format = (int(declared_bits or 0), bool(declared_sign))
        device = self.tensor_quant.log_scale.device if self.tensor_quant is not None else None
        self.register_buffer("input_bit_width", torch.tensor(self._input_format[0], device=device))
        self.register_buffer("input_signed", torch.tensor(self._input_format[1], device=device))
        self.register_buffer("input_shifts", torch.empty(0, dtype=torch.int64, device=device))

    @property
    def config(self) -> A2QConfig:
        """Widths of this quantizer and of the input seen last.

        Raises:
            UnknownInputFormatError: no quantized input was seen and none was declared.
        """
        bits, signed = self._input_format
        if not bits:
            raise UnknownInputFormatError(
                f"{self._layer}: expected to know bit width and sign of the input, found that it saw no quantized one "
                f"yet; run the model once, or {_HOW_TO_QUANTIZE}"
            )
        narrow = signed and self.input_shifts.numel() > 0  # ShiftQuant's integers are symmetric
        return self.tensor_quant.config(input_bits=bits, input_signed=signed, input_narrow=narrow)

    @property
    def factors(self) -> Tensor | None:
        """Powers of two by which the input of each weight is multiplied, (C, K); None if they are equal in each row."""
        if not self.input_shifts.numel():
            return None
        exponents = self.tensor_quant.layout.relative_exponents(self.input_shifts)
        if not bool(exponents.any()):
            return None
        weight = self.tracked_parameter_list[0]
        return torch.exp2(exponents.to(torch.promote_types(weight.dtype, torch.float32)))

    @property
    def zero_centered(self) -> bool:
        """Whether the quantizer is A2Q+."""
        return self.tensor_quant.zero_centered

    def forward(  # type: ignore[override]  # as in the base class, whose own base takes no input
        self, x: Tensor, quant_input: Tensor | QuantTensor | None = None
    ) -> Tensor | IntQuantTensor:
        """Return the quantized weight.

        Args:
            x: the layer's weight.
            quant_input: the layer's quantized input; None, or a tensor that is not quantized, uses the format seen
                last.

        Raises:
            UnknownInputFormatError: that format is needed, but no quantized input was seen.
            TypeError: the input is quantized, but not to integers.
            ValueError: the input's zero point does not go with A2Q.
        """
        if not self.is_quant_enabled:
            return x
        if self.export_mode:  # where the last eager run told all there is to know of the input
            bits, signed = self._input_format
            out, scale, zero_point, bit_width, *_ = self.export_handler(x, torch.tensor(float(bits)), signed)  # type: ignore[misc]
        else:
            self._note(quant_input)
            out, scale, zero_point, bit_width = self.tensor_quant(x, self.config, self.factors)
        if self.skip_create_quant_tensor:
            return out  # type: ignore[no-any-return]
        return IntQuantTensor(out, scale, zero_point, bit_width, self.is_signed, self.training)

    @property
    def _layer(self) -> str:
        layer = self.tracked_module_list[0]
        return f"{type(layer).__name__} with a weight of shape {tuple(layer.weight.shape)}"

    def _note(self, quant_input: Tensor | QuantTensor | None) -> None:
        if quant_input is None or isinstance(quant_input, Tensor):
            return  # bare tensors come from exporters, and while Brevitas calibrates with activations unquantized
        if not isinstance(quant_input, IntQuantTensor):
            raise TypeError(
                f"{self._layer}: expected an input quantized to integers, found {type(quant_input).__name__}; "
                f"{_HOW_TO_QUANTIZE}"
            )
        # A learned width is an integer up to rounding; more than that is rounded up, which is safe.
        observed = (math.ceil(quant_input.bit_width.item() - 1e-3), bool(quant_input.signed))
        shifts = self.input_shifts.new_empty(0)
        if isinstance(quant_input, ShiftQuantTensor):
            bits, exponents = channel_shifts(self.tracked_module_list[0], quant_input)
            observed, shifts = (bits, observed[1]), exponents.to(shifts)
        if shifts.shape != self.input_shifts.shape or not torch.equal(shifts, self.input_shifts):
            self.input_shifts = shifts.clone()
        if observed != self._input_format:
            self._refuse_signed_zero_point(quant_input)
            self._input_format = observed
            self.input_bit_width.fill_(observed[0])
            self.input_signed.fill_(observed[1])

    def _refuse_signed_zero_point(self, quant_input: IntQuantTensor) -> None:
        if quant_input.signed and not self.zero_centered and bool((quant_input.zero_point != 0).any()):
            raise ValueError(
                f"{self._layer}: expected a signed input without zero point, found "
                f"{quant_input.zero_point.flatten().tolist()}; shifted signed integers exceed the magnitude that "
                f"Eq. 15 assumes: use an unsigned quantizer with a zero point, or A2QPlusWeightQuant"
            )

    def _load_from_state_dict(  # noqa: PLR0913 - the signature is torch's
        self,
        state_dict: StateDict,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        before = self.tensor_quant
        stored = state_dict.get(f"{prefix}input_shifts")
        self.input_shifts = self.input_shifts.new_empty(0 if stored is None else stored.shape)
        absent: list[str] = []
        super()._load_from_state_dict(  # type: ignore[no-untyped-call]
            state_dict, prefix, local_metadata, strict, absent, unexpected_keys, error_msgs
        )
        # Brevitas's checkpoints know no input format: the one known here stays.
        missing_keys += [key for key in absent if not key.endswith(_INPUT_FORMAT)]
        self._input_format = (int(self.input_bit_width), bool(self.input_signed))
        # Brevitas makes a new quantizer from the loaded weights, which is right for a float checkpoint. One that holds
        # the quantizer's own parameters goes into the parameters that an optimizer may already know.
        if any(key.startswith(prefix + "tensor_quant.") for key in state_dict):
            self.tensor_quant = before
