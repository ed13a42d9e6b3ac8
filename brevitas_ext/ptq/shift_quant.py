"""From a model trained with ShiftQuant layers to Brevitas's layers with static ranges, for export and FINN."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import torch
from brevitas.nn import QuantConv1d, QuantConv2d, QuantLinear
from brevitas.quant import Int8WeightPerChannelFloat, Int8WeightPerTensorFloat
from torch import Tensor, nn

from brevitas_ext.arith.shift_quant import normalized_axis
from brevitas_ext.nn import ShiftQuantConv1d, ShiftQuantConv2d, ShiftQuantLinear
from brevitas_ext.ptq.exchange import put, with_quantizers
from brevitas_ext.ptq.running import Loader, evaluating, images_of
from brevitas_ext.quantizers.layers import channels_axis
from brevitas_ext.quantizers.shift_quant import ShiftQuantAct, ShiftQuantUintAct
from brevitas_ext.quantizers.shift_tensor import channel_ranges

Statistics: TypeAlias = Literal["mean", "max"]
Layer: TypeAlias = ShiftQuantConv1d | ShiftQuantConv2d | ShiftQuantLinear

_KINDS: dict[type[nn.Module], Any] = {
    ShiftQuantConv1d: QuantConv1d,
    ShiftQuantConv2d: QuantConv2d,
    ShiftQuantLinear: QuantLinear,
}
_WEIGHTS: dict[str, Any] = {"channel": Int8WeightPerChannelFloat, "tensor": Int8WeightPerTensorFloat}


def shiftquant_to_brevitas(
    model: nn.Module, loader: Loader, *, statistics: Statistics = "mean", bias_quant: Any = None
) -> nn.Module:
    """Return a model of Brevitas's layers that computes what ShiftQuant layers do, with calibrated ranges.

    ShiftQuant layers take their ranges from every batch.  The Brevitas layers have those that calibration saw, per
    channel, as `ShiftQuantAct` keeps them, so that scales and groups are constants of the exported graph; for a batch
    that has these ranges their integers are the same, activations and weights.  What exceeds them saturates.

    Args:
        model: a model with ShiftQuant layers, which stays as it is; other modules are copied.
        loader: batches of calibration inputs; the model reads them in evaluation mode.
        statistics: a channel's range is the ``"mean"`` of its ranges in the batches, or the ``"max"``.
        bias_quant: Brevitas's quantizer of biases; None leaves them in floats.

    Returns:
        The model in evaluation mode, ready for `export_qonnx`.

    Raises:
        ValueError: there is no ShiftQuant layer, one was never called, has a negative input where its integers have no
            sign, or pads with something else than zeros; there is no batch; `statistics` does not exist.
    """
    if statistics not in get_args(Statistics):
        raise ValueError(f"calibration: expected statistics out of {get_args(Statistics)}, found {statistics!r}")
    model = copy.deepcopy(model).eval()
    layers = {name: module for name, module in model.named_modules() if isinstance(module, Layer)}
    if not layers:
        raise ValueError(
            "expected a model with ShiftQuant layers, found none; convert_to_shiftquant makes one of a float model"
        )
    padded = {name: _zero_padded(name, layer) for name, layer in layers.items()}
    ranges, signs = _observed(model, loader, layers, statistics)
    replacements: dict[nn.Module, nn.Module] = {}
    for name, layer in layers.items():
        made = _brevitas_layer(layer, padded[name], signed=signs[name], bias_quant=bias_quant)
        made.input_quant.tensor.ranges = ranges[name]
        replacements[layer] = made.eval()
    if model in replacements:
        return replacements[model]
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module in replacements:
            put(model, name, replacements[module])
    return model


def _observed(
    model: nn.Module, loader: Loader, layers: Mapping[str, Layer], statistics: Statistics
) -> tuple[dict[str, Tensor], dict[str, bool]]:
    """Return the ranges of the channels of every layer's input, and whether it has a sign."""
    seen: dict[str, list[Tensor]] = {}
    signs = {name: bool(layer.quantization.activation_signed) for name, layer in layers.items()}

    def watch(name: str, layer: Layer) -> Any:
        def note(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].detach()
            seen.setdefault(name, []).append(channel_ranges(x, axis=normalized_axis(x.ndim, channels_axis(layer))))
            if layer.quantization.activation_signed is None:
                signs[name] |= bool(x.amin() < 0)

        return note

    hooks = [layer.register_forward_pre_hook(watch(name, layer)) for name, layer in layers.items()]
    try:
        with evaluating(model):
            for images in images_of(loader, model):
                model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if missing := [name for name in layers if name not in seen]:
        raise ValueError(f"calibration: expected the layer {missing[0]!r} to be called, found that it was not")
    reduce = torch.mean if statistics == "mean" else torch.amax
    return {name: reduce(torch.stack(batches), 0) for name, batches in seen.items()}, signs


def _brevitas_layer(layer: Layer, padding: tuple[int, ...] | None, *, signed: bool, bias_quant: Any) -> Any:
    options = layer.quantization
    activations = ShiftQuantAct if signed else ShiftQuantUintAct
    if padding is not None:
        layer = copy.copy(layer)
        layer.padding = padding
    return with_quantizers(
        layer,
        _KINDS[type(layer)],
        input_quant=activations.let(bits=options.activation_bits, groups=options.shift_groups),
        weight_quant=_WEIGHTS[options.weight_scales].let(bit_width=options.weight_bits),
        bias_quant=bias_quant,
    )


def _zero_padded(name: str, layer: Layer) -> tuple[int, ...] | None:
    """Return the zeros on both sides of each dimension of a convolution's input."""
    if isinstance(layer, ShiftQuantLinear):
        return None
    if layer.padding_mode != "zeros":
        raise ValueError(
            f"{name}: expected padding with zeros, found padding_mode={layer.padding_mode!r}, which hardware has no "
            "layer for; pad with zeros, and train again"
        )
    if not isinstance(layer.padding, str):
        return layer.padding
    both = layer._reversed_padding_repeated_twice
    if both[::2] != both[1::2]:
        raise ValueError(
            f"{name}: expected the same padding on both sides, found padding='same' with the even kernel "
            f"{layer.kernel_size}; pad in a layer of its own, e.g. torch.nn.ZeroPad2d"
        )
    return tuple(both[::2][::-1])
