"""The integers that Brevitas itself computes: every call of every quantizer while a model runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from brevitas.proxy.parameter_quant import BiasQuantProxyFromInjectorBase, WeightQuantProxyFromInjectorBase
from brevitas.quant_tensor import IntQuantTensor
from numpy.typing import NDArray
from torch import Tensor, nn

from brevitas_ext.export.handlers import UnsupportedModuleError
from brevitas_ext.export.session import quantizers
from brevitas_ext.quantizers.shift_proxy import ShiftActQuantProxy
from brevitas_ext.quantizers.sparq_quant import SparqActQuantProxy

Role = Literal["weight", "bias", "activation"]


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizerCall:
    """One call of a quantizer in an eager run.

    Attributes:
        name: Name of the node that stands for this call in an exported file, see `NodeNames`.
        role: What is quantized. Everything that depends on the model's input counts as an activation.
        integers: The integers, shape of the quantized tensor.
        value: What the quantizer returned, float32, same shape.
        scale: Scale, broadcastable to that shape.
        zero_point: Zero point, likewise.
        bit_width: Bit width.
    """

    name: str
    role: Role
    integers: NDArray[np.int64]
    value: NDArray[np.float32]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.float32]
    bit_width: float


class NodeNames:
    """Names quantizer nodes in the order of their calls.

    A weight quantizer's node is named after the layer whose weight it quantizes, e.g. `features.0.weight_quant`, any
    other after the path of the quantizer; the second call of one is followed by `:1`, the third by `:2`.
    """

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()

    def weight(self, layer: str) -> str:
        """Returns the name of the next use of a layer's weight."""
        return self.call(join(layer, "weight_quant"))

    def least_used(self, layers: Sequence[str]) -> str:
        """Returns the layer that was named least often: layers may have equal weights and share their quantizer."""
        return min(layers, key=lambda layer: self._calls[join(layer, "weight_quant")])

    def call(self, quantizer: str) -> str:
        """Returns the name of the next call of a quantizer that is not a weight's."""
        count = self._calls[quantizer]
        self._calls[quantizer] += 1
        return f"{quantizer}:{count}" if count else quantizer


def join(layer: str, attribute: str) -> str:
    """Returns the path of a layer's attribute; the layer may be the whole model, whose path is empty."""
    return f"{layer}.{attribute}" if layer else attribute


@torch.no_grad()
def record(model: nn.Module, example: tuple[Tensor, ...]) -> tuple[list[QuantizerCall], Any]:
    """Runs a model in evaluation mode and returns the calls of its quantizers in order, and its output.

    Raises:
        UnsupportedModuleError: a quantizer does not quantize to integers, or not to finite values.
    """
    calls: list[QuantizerCall] = []
    names = NodeNames()
    paths = {module: path for path, module in model.named_modules()}
    proxies = quantizers(model)
    in_8_bits: dict[nn.Module, Tensor] = {}

    def note_integers(integers: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        in_8_bits[integers] = inputs[0]

    def note(proxy: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if not isinstance(output, IntQuantTensor):
            raise UnsupportedModuleError(
                f"Quantizer {paths[proxy]!r}: expected quantization to integers, found {type(output).__name__}. "
                "Replace it, or disable it."
            )
        if isinstance(proxy, WeightQuantProxyFromInjectorBase):
            users = [paths[layer] for layer in _users(proxy, inputs[0]) if layer in paths]
            calls.append(_call(names.weight(names.least_used(users)), "weight", output))
            return
        if isinstance(proxy, SparqActQuantProxy):
            if proxy.read_scale is not None:
                return  # the integers are those of the quantizer in front
            output = _uniform(in_8_bits[proxy.sparq], output)
        if isinstance(proxy, ShiftActQuantProxy):
            output = proxy.per_channel(output)
        role: Role = "bias" if isinstance(proxy, BiasQuantProxyFromInjectorBase) else "activation"
        calls.append(_call(names.call(paths[proxy]), role, output))

    hooks = [proxy.register_forward_hook(note) for proxy in proxies.values()]
    hooks += [
        proxy.sparq.register_forward_pre_hook(note_integers)
        for proxy in proxies.values()
        if isinstance(proxy, SparqActQuantProxy)
    ]
    modes = [(module, module.training) for module in model.modules()]
    try:
        output = model.eval()(*example)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    return calls, output


def _uniform(integers: Tensor, output: IntQuantTensor) -> IntQuantTensor:
    """Returns the 8-bit tensor that a SPARQ quantizer cut its windows out of."""
    return IntQuantTensor(
        integers * output.scale, output.scale, output.zero_point, output.bit_width, output.signed, output.training
    )


def _users(proxy: Any, weight: Tensor) -> list[nn.Module]:
    """Returns the layers that a weight quantizer was called for, by where the weight lies in memory."""
    layers: list[nn.Module] = proxy.tracked_module_list
    if len(layers) == 1:
        return layers
    return [
        layer for layer in layers if isinstance(layer.weight, Tensor) and layer.weight.data_ptr() == weight.data_ptr()
    ]


def _call(name: str, role: Role, output: IntQuantTensor) -> QuantizerCall:
    value, scale, zero_point = (
        tensor.detach().cpu().numpy().copy() for tensor in (output.value, output.scale, output.zero_point)
    )
    if not np.isfinite(value).all():
        index = tuple(int(position) for position in np.argwhere(~np.isfinite(value))[0])
        raise UnsupportedModuleError(
            f"Quantizer {name!r}: expected finite values, found {value[index]} at {list(index)}. "
            "A channel of zeros, or a scale of zero, does that to some quantizers."
        )
    # The quotient is an integer up to the rounding of the product that it undoes; float64 adds none of its own.
    exact = value.astype(np.float64) / scale.astype(np.float64) + zero_point.astype(np.float64)
    return QuantizerCall(
        name=name,
        role=role,
        integers=np.rint(exact).astype(np.int64),
        value=value,
        scale=scale,
        zero_point=zero_point,
        bit_width=float(output.bit_width),
    )
