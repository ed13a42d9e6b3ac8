"""Turns a float model over to layers that train on integers."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import nn

from brevitas_ext.nn.hooks import refuse_hooks
from brevitas_ext.nn.layer_base import ShiftQuantLayer
from brevitas_ext.nn.quantization import ShiftQuantization, ShiftQuantOptions
from brevitas_ext.nn.rounding_stream import mixed_seed
from brevitas_ext.nn.shift_conv import ShiftQuantConv1d, ShiftQuantConv2d
from brevitas_ext.nn.shift_linear import ShiftQuantLinear

Layer = nn.Linear | nn.Conv1d | nn.Conv2d

_LAYERS: tuple[type[Layer], ...] = (nn.Linear, nn.Conv1d, nn.Conv2d)


@dataclass(frozen=True)
class ShiftQuantConversion:
    """A model that was turned over, and what was done to it.

    Attributes:
        model: the new model; layers have the names that they had.
        converted: what each layer quantizes to, by its first name.
        left: why a module that holds parameters stays as it was, by name.
    """

    model: nn.Module
    converted: dict[str, ShiftQuantization]
    left: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{name}: {quantization}" for name, quantization in self.converted.items()]
        return "\n".join([*lines, *(f"{name}: left, {reason}" for name, reason in self.left.items())])


def convert_to_shiftquant(model: nn.Module, **options: Any) -> nn.Module:
    """Return a model that trains on integers with ShiftQuant; the float model stays as it is.

    Args:
        model: a model of torch's layers.
        options: see `shiftquant_conversion`, which also says what it did.

    Example:
        >>> model = convert_to_shiftquant(resnet, weight_bits=4, activation_bits=4, gradient_bits=4)
    """
    return shiftquant_conversion(model, **options).model


def shiftquant_conversion(
    model: nn.Module,
    *,
    skip: Collection[str] = (),
    first_last_bits: int | None = 8,
    seed: int | None = None,
    **options: Unpack[ShiftQuantOptions],
) -> ShiftQuantConversion:
    """Replace `torch.nn.Linear`, `Conv1d` and `Conv2d` in a copy of a model, and say what was done.

    Weights, names, devices, modes and what modules or parameters share stay; whatever is not exactly one of the three
    classes is left.  Torch's transformer encoders lose their inference fast path, which computes in floats with the
    weights of their layers instead of calling them.

    Args:
        model: a model of torch's layers, which stays as it is.
        skip: names of modules to leave, with all that is in them.
        first_last_bits: width of weights, activations and gradients of the first and the last layer that is replaced,
            in the order of ``model.modules()``; None for that of all others.
        seed: of the layers' stochastic rounding; None draws one from torch's generator.
        **options: fields of `ShiftQuantization`, for every layer.

    Raises:
        TypeError: `skip` is a string.
        ValueError: an option is out of range, a name in `skip` does not exist, there is no layer to replace, or one has
            hooks, which might rely on its class.
    """
    quantization = ShiftQuantization(**options)
    outer = _outer(quantization, first_last_bits)
    model = copy.deepcopy(model)
    if isinstance(skip, str):
        raise TypeError(f"expected a collection of names in skip, found the string {skip!r}; write [{skip!r}]")
    unknown = set(skip) - {name for name, _ in model.named_modules()}
    if unknown:
        raise ValueError(
            f"expected names of modules to skip, found {', '.join(sorted(unknown))}; model.named_modules() has them"
        )
    chosen: dict[str, Layer] = {}
    left: dict[str, str] = {}
    for name, module in model.named_modules():
        reason = "skipped as asked" if _within(name, skip) else _reason_to_leave(module)
        if reason is None and isinstance(module, _LAYERS):
            refuse_hooks(name, module, otherwise="or name the layer in skip")
            chosen[name] = module
        elif reason is not None and any(True for _ in module.parameters(recurse=False)):
            left[name] = reason
    if not chosen:
        raise ValueError(f"expected a Linear, Conv1d or Conv2d to replace, found none in {type(model).__name__}")
    base = int(torch.randint((1 << 63) - 1, ())) if seed is None else seed
    edges = {next(iter(chosen)), next(reversed(chosen))}
    replacements: dict[int, nn.Module] = {}
    converted: dict[str, ShiftQuantization] = {}
    for index, (name, layer) in enumerate(chosen.items()):
        converted[name] = outer if name in edges else quantization
        replacements[id(layer)] = _replacement(layer, converted[name], mixed_seed(base, index))
    model = _replaced(model, replacements)
    _call_layers_of_encoders(model)
    return ShiftQuantConversion(model, converted, left)


def _outer(quantization: ShiftQuantization, bits: int | None) -> ShiftQuantization:
    if bits is None:
        return quantization
    fields = {**vars(quantization), "weight_bits": bits, "activation_bits": bits, "gradient_bits": bits}
    return ShiftQuantization(**fields)


def _within(name: str, skip: Collection[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in skip)


def _reason_to_leave(module: nn.Module) -> str | None:
    """Return why a module that holds parameters of its own has to stay; None if it can be replaced."""
    if type(module) in _LAYERS:
        return None
    kind = type(module).__name__
    if isinstance(module, ShiftQuantLayer):
        return f"{kind} trains on integers already"
    if isinstance(module, _LAYERS):
        return f"{kind} is a subclass of a layer of torch.nn and may compute something else"
    return f"{kind} has no counterpart that trains on integers"


def _replacement(layer: Layer, quantization: ShiftQuantization, seed: int) -> nn.Module:
    """Return a layer that holds the parameters themselves, so that what shares them goes on sharing them."""
    options: dict[str, Any] = {**vars(quantization), "seed": seed, "bias": layer.bias is not None, "device": "meta"}
    new: nn.Module
    if isinstance(layer, nn.Linear):
        new = ShiftQuantLinear(layer.in_features, layer.out_features, **options)
    else:
        kind = ShiftQuantConv2d if isinstance(layer, nn.Conv2d) else ShiftQuantConv1d
        new = kind(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
            padding_mode=layer.padding_mode,
            **options,
        )
    for name, parameter in layer._parameters.items():
        new.register_parameter(name, parameter)
    return new.train(layer.training)


def _replaced(model: nn.Module, replacements: dict[int, nn.Module]) -> nn.Module:
    if id(model) in replacements:
        return replacements[id(model)]
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if child is not None and id(child) in replacements:
                parent._modules[name] = replacements[id(child)]
    return model


def _call_layers_of_encoders(model: nn.Module) -> None:
    """Switch off the fast path of torch's transformer encoders that hold a ShiftQuant layer."""
    for module in model.modules():
        if not any(isinstance(part, ShiftQuantLayer) for part in module.modules()):
            continue
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0
        elif isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False
