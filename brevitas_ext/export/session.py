"""Putting a Brevitas model into the state that is exported, and back, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from brevitas.nn import QuantUpsample, QuantUpsamplingNearest2d
from brevitas.nn.mixin.base import QuantRecurrentLayerMixin
from brevitas.proxy.quant_proxy import QuantProxyProtocol
from numpy.typing import NDArray
from torch import Tensor, nn

from brevitas_ext.export._brevitas import (
    ExportContext,
    QONNXDynamoManager,
    QONNXManager,
    _override_act_caching_mode,
)
from brevitas_ext.export.handlers import UnsupportedModuleError, WeightHandler, handler_for
from brevitas_ext.export.shift import ShiftHandler
from brevitas_ext.export.sparq import SparqHandler
from brevitas_ext.nn.batch_norm import QuantizedBatchNorm
from brevitas_ext.nn.layer_norm import QuantizedLayerNorm


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedQuantizer:
    """What a tag in the traced graph stands for.

    Attributes:
        name: Path of the quantizer in the model.
        weights: For a weight quantizer, the weights of the layers that use it, by the path of the layer.
    """

    name: str
    weights: dict[str, LayerWeight]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerWeight:
    """The weight of a layer.

    Attributes:
        trained: The floating-point parameter.
        quantized: Its integers times their scale.
    """

    trained: NDArray[np.float32]
    quantized: NDArray[np.float32]


@contextmanager
def restored(model: nn.Module) -> Iterator[None]:
    """Gives every module back all its attributes, parameters and buffers when the context ends, also by an error.

    Brevitas leaves a model in export mode when an exporter fails, and caches, handlers and flags behind when it does
    not.
    """
    # A compiled module keeps its state elsewhere, and Brevitas changes none of it.
    modules = [module for module in model.modules() if not isinstance(module, torch.jit.ScriptModule)]
    # The values that are containers hold parameters, buffers, children and hooks.
    states = [
        {name: value.copy() if isinstance(value, dict) else value for name, value in vars(module).items()}
        for module in modules
    ]
    try:
        yield
    finally:
        for module, state in zip(modules, states, strict=True):
            module.__dict__.clear()
            module.__dict__.update(state)


@contextmanager
def export_mode(model: nn.Module, example: tuple[Tensor, ...], *, dynamo: bool) -> Iterator[dict[str, TracedQuantizer]]:
    """Makes a model ready to be traced: every quantizer emits its operator.

    Use it inside `restored`.

    Args:
        model: A model in evaluation mode.
        example: Its inputs.
        dynamo: Whether the dynamo exporter comes next, which cannot trace quantized tensors.

    Yields:
        The quantizers by the tag that their nodes carry.

    Raises:
        UnsupportedModuleError: a module cannot be exported.
    """
    manager = QONNXDynamoManager if dynamo else QONNXManager
    proxies = quantizers(model)
    for module in model.modules():
        if isinstance(module, QuantizedBatchNorm):
            module.freeze()
    with ExportContext(manager), torch.no_grad():
        manager._cache_inp_out(model, *example)
        for tag, (name, proxy) in enumerate(proxies.items()):
            proxy.export_handler = handler_for(proxy, name, str(tag), (SparqHandler, ShiftHandler))
        # Export mode changes what quantizers return.
        tagged = {
            str(tag): TracedQuantizer(name=name, weights=_weights(model, proxy))
            for tag, (name, proxy) in enumerate(proxies.items())
        }
        manager.set_export_mode(model, enabled=True)
        model.apply(lambda module: _override_act_caching_mode(module, enabled=False))
        if dynamo:
            model.apply(_take_plain_tensors)
        yield tagged


def _take_plain_tensors(module: nn.Module) -> None:
    """Let a module that repeats values do so on what quantizers hand on to the dynamo exporter.

    Brevitas's own reads the quantized tensor's value, and there is only the value.
    """
    if isinstance(module, QuantUpsample | QuantUpsamplingNearest2d) and module.mode == "nearest":
        vars(module)["forward"] = partial(nn.Upsample.forward, module)


def quantizers(model: nn.Module) -> dict[str, Any]:
    """Returns the enabled quantizers of a model by path.

    Raises:
        UnsupportedModuleError: a module can never be exported, or nothing is quantized.
    """
    proxies: dict[str, Any] = {}
    for name, module in model.named_modules():
        if isinstance(module, QuantRecurrentLayerMixin):
            raise UnsupportedModuleError(
                f"Layer {name!r}: expected feed-forward layers, found {type(module).__name__}, whose cell has no "
                "definition in ONNX operators. Build the recurrence out of quantized linear layers."
            )
        if isinstance(module, QuantizedLayerNorm):
            raise UnsupportedModuleError(
                f"Layer {name!r}: expected normalization by constants, found {type(module).__name__}, whose mean and "
                "deviation are of each input at run time, where a threshold of hardware is a constant. Use batch "
                "normalization, or end the exported part before this layer."
            )
        if isinstance(module, QuantProxyProtocol) and module.is_quant_enabled:
            proxies[name] = module
    if not proxies:
        raise UnsupportedModuleError(
            f"Expected a model with Brevitas quantizers, found none enabled in {type(model).__name__}. "
            "Use brevitas.nn layers, or torch.onnx.export for a float model."
        )
    return proxies


def _weights(model: nn.Module, proxy: Any) -> dict[str, LayerWeight]:
    if not isinstance(proxy.export_handler, WeightHandler):
        return {}
    paths = {module: name for name, module in model.named_modules()}
    return {
        paths[layer]: LayerWeight(trained=_array(layer.weight), quantized=_array(layer.quant_weight().value))
        for layer in proxy.tracked_module_list
        if layer in paths
    }


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().cpu().numpy().copy()
    return array
