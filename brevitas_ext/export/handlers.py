"""Brevitas export handlers: one QONNX operator for every enabled quantizer of a model, or a refusal."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from brevitas.core.quant import BinaryQuant, ClampedBinaryQuant, TernaryQuant
from brevitas.proxy import (
    ActQuantProxyFromInjector,
    BiasQuantProxyFromInjector,
    DecoupledWeightQuantProxyFromInjector,
    TruncQuantProxyFromInjector,
    WeightQuantProxyFromInjector,
)
from brevitas.proxy.runtime_quant import DynamicActQuantProxyFromInjector
from torch import Tensor, nn

from brevitas_ext.export._brevitas import BaseHandler
from brevitas_ext.export.emission import Emission
from brevitas_ext.qonnx_ops.bipolar_quant import BipolarQuant
from brevitas_ext.qonnx_ops.quant import Quant
from brevitas_ext.qonnx_ops.rounding import Rounding
from brevitas_ext.qonnx_ops.trunc import Trunc


class UnsupportedModuleError(ValueError):
    """A model holds something that QONNX, or this export, cannot express."""


class QuantizerHandler(BaseHandler):
    """Emits the operator of one quantizer while Brevitas is in export mode.

    Attributes:
        quantizer: Path of the quantizer in the model, for messages.
        tag: Identifies the quantizer in the traced graph, see `Emission`.
    """

    handled_layer: ClassVar[type[nn.Module]]

    def __init__(self, quantizer: str, tag: str) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.tag = tag

    @abstractmethod
    def prepare_for_export(self, module: Any) -> None:
        """Reads the quantizer's parameters; Brevitas calls it when export mode is switched on."""

    def refuse(self, found: str, next_step: str) -> UnsupportedModuleError:
        """Returns the error that says what this quantizer does that cannot be exported."""
        return UnsupportedModuleError(
            f"Quantizer {self.quantizer!r}: expected uniform integer quantization that QONNX can express, "
            f"found {found}. {next_step}"
        )

    def uniform(self, *, signed: bool, narrow: bool, bits: Tensor, rounding: Rounding) -> Quant:
        """Returns the `Quant` with these attributes, or raises if it would mean something else in QONNX."""
        width = float(bits)
        if not width.is_integer() or width < 1:
            raise self.refuse(f"a bit width of {width:g}", "Round the learned bit width before the export.")
        if width == 1 and signed:
            raise self.refuse(
                "a signed integer of 1 bit, which means -1 and 1 in QONNX instead of -1 and 0",
                "Use 2 bits, or a binary quantizer.",
            )
        return Quant(signed=signed, narrow=narrow, rounding=rounding)

    def rounding(self, module: Any) -> Rounding:
        """Returns the rounding of a quantizer that works at run time."""
        name = module.rounding_mode
        try:
            return Rounding.parse(str(name))
        except ValueError:
            raise self.refuse(
                f"the rounding {name}", "Set float_to_int_impl_type to ROUND, FLOOR, CEIL or ROUND_TO_ZERO."
            ) from None


class WeightHandler(QuantizerHandler):
    """Weights are quantized before the export; their operator only has to give back the same integers.

    Its rounding is to the nearest whatever the quantizer's own rounding is, since `integer * scale` divided by the
    scale again may lie a float off the integer on either side.
    """

    handled_layer = WeightQuantProxyFromInjector

    def prepare_for_export(self, module: Any) -> None:
        """Reads the parameters that the weights of all layers which share the quantizer have in common."""
        weights = [layer.quant_weight() for layer in module.tracked_module_list]
        first = weights[0]
        for weight in weights[1:]:
            same = torch.equal(weight.scale, first.scale) and torch.equal(weight.zero_point, first.zero_point)
            if not same:
                raise self.refuse(
                    "layers that share it with different scales or zero points", "Give every layer its own quantizer."
                )
        self.scale, self.zero_point, self.bit_width = first.scale, first.zero_point, first.bit_width
        if isinstance(module.tensor_quant, BinaryQuant | ClampedBinaryQuant):
            self.emission = Emission(op=BipolarQuant(), parameters=(self.scale,), tag=self.tag)
            return
        op = self.uniform(
            signed=bool(first.signed),
            narrow=isinstance(module.tensor_quant, TernaryQuant) or bool(module.is_narrow_range),
            bits=self.bit_width,
            rounding=Rounding.ROUND,
        )
        self.emission = Emission(op=op, parameters=(self.scale, self.zero_point, self.bit_width), tag=self.tag)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Returns the quantized weight, scale, zero point and bit width."""
        return self.emission(x), self.scale, self.zero_point, self.bit_width


class DecoupledWeightHandler(WeightHandler):
    """Weights whose quantizer has a second scale, A2Q's among them, which only matters before they are integers."""

    handled_layer = DecoupledWeightQuantProxyFromInjector

    def forward(self, x: Tensor, *_input_format: Any) -> tuple[Tensor, ...]:
        """Returns what `WeightHandler.forward` does, and stand-ins for the second scale and zero point."""
        return *super().forward(x), self.scale, self.zero_point


class ActivationHandler(QuantizerHandler):
    """Activations are quantized at run time by the operator itself."""

    handled_layer = ActQuantProxyFromInjector

    def prepare_for_export(self, module: Any) -> None:
        """Reads scale, zero point, bit width and rounding."""
        if isinstance(module, DynamicActQuantProxyFromInjector):
            raise self.refuse("a scale that depends on the input", "Use an activation quantizer with a learned scale.")
        tensor_quant = module.fused_activation_quant_proxy.tensor_quant
        self.parameters_ = (module.scale(), module.zero_point(), module.bit_width())
        scale, zero_point, bits = self.parameters_
        if isinstance(tensor_quant, BinaryQuant | ClampedBinaryQuant):
            self.emission = Emission(op=BipolarQuant(), parameters=(scale,), tag=self.tag)
            return
        ternary = isinstance(tensor_quant, TernaryQuant)
        if ternary and tensor_quant.threshold != 0.5:
            raise self.refuse(f"a ternary threshold of {tensor_quant.threshold}", "Set threshold to 0.5.")
        op = self.uniform(
            signed=bool(module.is_signed) or ternary,
            narrow=bool(module.is_narrow_range) or ternary,
            bits=bits,
            rounding=Rounding.ROUND if ternary else self.rounding(module),
        )
        self.emission = Emission(op=op, parameters=(scale, zero_point, bits), tag=self.tag)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Returns the quantized activation, scale, zero point and bit width."""
        return self.emission(x), *self.parameters_


class BiasHandler(QuantizerHandler):
    """Biases, whose scale may be that of the layer's accumulator."""

    handled_layer = BiasQuantProxyFromInjector

    def prepare_for_export(self, module: Any) -> None:
        """Reads zero point, rounding, and scale and bit width as far as they do not depend on the input."""
        self.scale, self.zero_point, self.bit_width = module.scale(), module.zero_point(), module.bit_width()
        self.op = self.uniform(
            signed=bool(module.is_signed),
            narrow=bool(module.is_narrow_range),
            bits=self.bit_width,
            rounding=self.rounding(module),
        )

    def forward(self, x: Tensor, input_scale: Tensor | None = None) -> tuple[Tensor, ...]:
        """Returns the quantized bias, scale, zero point and bit width."""
        scale = self.scale if input_scale is None else input_scale
        parameters = (scale, self.zero_point, self.bit_width)
        return Emission(op=self.op, parameters=parameters, tag=self.tag)(x), *parameters


class TruncHandler(QuantizerHandler):
    """Truncation of an accumulator, in quantized average pooling."""

    handled_layer = TruncQuantProxyFromInjector

    def prepare_for_export(self, module: Any) -> None:
        """Reads output scale and bit width, which Brevitas knows after one run."""
        self.narrow, self.mode = bool(module.is_narrow_range), self.rounding(module)
        self.output_scale, self.output_zero_point = module.scale(), module.zero_point()
        self.output_bit_width = module.bit_width()

    def forward(
        self, x: Tensor, scale: Tensor, zero_point: Tensor, input_bit_width: Tensor, signed: bool | Tensor
    ) -> tuple[Tensor, ...]:
        """Returns the truncated tensor, output scale, zero point and bit width."""
        parameters = (scale, zero_point, input_bit_width, self.output_scale, self.output_bit_width)
        op = Trunc(signed=bool(signed), narrow=self.narrow, rounding=self.mode)
        emitted = Emission(op=op, parameters=parameters, tag=self.tag)(x)
        return emitted, self.output_scale, self.output_zero_point, self.output_bit_width


HANDLERS: tuple[type[QuantizerHandler], ...] = (
    ActivationHandler,
    BiasHandler,
    WeightHandler,
    DecoupledWeightHandler,
    TruncHandler,
)


def handler_for(
    proxy: Any, quantizer: str, tag: str, further: tuple[type[QuantizerHandler], ...] = ()
) -> QuantizerHandler:
    """Returns the handler of a quantizer by the nearest base class that one is registered for.

    Args:
        proxy: The quantizer.
        quantizer: Its path in the model.
        tag: Its tag.
        further: Handlers beside `HANDLERS`.

    Raises:
        UnsupportedModuleError: there is none.
    """
    by_proxy = {handler.handled_layer: handler for handler in (*HANDLERS, *further)}
    handlers = [by_proxy[base] for base in type(proxy).__mro__ if base in by_proxy]
    if handlers and not proxy.is_groupwise:
        return handlers[0](quantizer, tag)
    kind = "group-wise scales" if proxy.is_groupwise else f"a quantizer of type {type(proxy).__name__}"
    raise UnsupportedModuleError(
        f"Quantizer {quantizer!r}: expected uniform integer quantization per tensor or channel, found {kind}. "
        "Replace it, or disable it."
    )
