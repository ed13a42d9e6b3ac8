"""The quantized layers of a Brevitas model in the order in which they compute, from one run."""

from __future__ import annotations

from typing import Any, cast

import torch
from brevitas.nn.mixin.parameter import QuantWeightMixin
from brevitas.nn.quant_embedding import QuantEmbedding
from brevitas.nn.quant_layer import QuantWeightBiasInputOutputLayer
from brevitas.nn.quant_scale_bias import QuantScaleBias
from torch import nn

from brevitas_ext.accumulators.input_format import InputFormat, NarrowScales
from brevitas_ext.accumulators.record import TracedLayer
from brevitas_ext.accumulators.shifted_input import layer_format
from brevitas_ext.quantizers.evaluation import evaluation_mode, run

# Neither sums products, so neither has an accumulator.
_WITHOUT_ACCUMULATOR = (QuantEmbedding, QuantScaleBias)


@torch.no_grad()
def trace_layers(model: nn.Module, example: Any) -> list[TracedLayer]:
    """Run a model once in evaluation mode and return its quantized layers in the order of their first call.

    The model is left as it was, except that accumulator-aware weight quantizers may learn the format of their inputs.

    Args:
        model: a model, or a single layer.
        example: its input; a tuple holds several.

    Returns:
        A record for every called linear and convolutional layer whose weight is quantized to integers.  A layer called
        several times has one record, whose input holds that of every call.

    Raises:
        NotImplementedError: the model sums products in a layer of another kind, e.g. a recurrent one.
        TypeError: a weight is quantized, but not to integers.
        ValueError: an input holds integers outside the range it states.
    """
    names = _quantized_layers(model)
    narrow_scales = NarrowScales()
    records: dict[nn.Module, TracedLayer] = {}
    formats: dict[nn.Module, InputFormat | None] = {}

    def note(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], _output: Any) -> None:
        quant_input = layer.input_quant(layer.unpack_input(args[0] if args else kwargs["input"]))
        try:
            seen = layer_format(layer, quant_input, narrow_scales)
            if layer not in records:
                records[layer], formats[layer] = TracedLayer.of(names[layer], layer, quant_input), seen
            known = formats[layer]
            formats[layer] = known.union(seen) if known and seen else None
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {names[layer]}: {error}") from error

    with evaluation_mode(model), narrow_scales.watch(model):
        handles = [layer.register_forward_hook(note, with_kwargs=True) for layer in names]
        try:
            run(model, example)
        finally:
            for handle in handles:
                handle.remove()
    return [record.with_input(formats[layer]) for layer, record in records.items()]


def _quantized_layers(model: nn.Module) -> dict[nn.Module, str]:
    names: dict[nn.Module, str] = {}
    for name, module in model.named_modules():
        if not _has_quantized_dot_products(module):
            continue
        names[module] = name or type(module).__name__
        _refuse_other_kinds(names[module], module)
    return names


def _refuse_other_kinds(name: str, module: object) -> None:
    if not isinstance(module, QuantWeightBiasInputOutputLayer):
        raise NotImplementedError(
            f"layer {name}: expected linear or convolutional layers, found {type(module).__name__} with quantized "
            f"weights; trace the model without it"
        )


def _has_quantized_dot_products(module: Any) -> bool:
    if not isinstance(module, QuantWeightMixin) or isinstance(module, _WITHOUT_ACCUMULATOR):
        return False
    proxy: Any = cast(Any, module).weight_quant
    return bool(proxy.is_quant_enabled)
