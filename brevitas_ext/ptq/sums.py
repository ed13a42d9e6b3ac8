"""Residual sums of a float model: which layer's result is added to which skip branch."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as functional
from torch import nn
from torch.fx import Node, symbolic_trace

_SUMS: Final = frozenset({operator.add, operator.iadd, torch.add, "add", "add_"})
_LAYERS: Final = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)
_KEEPING_LAYERS: Final = (nn.MaxPool1d, nn.MaxPool2d, nn.Identity, nn.Dropout, nn.Dropout2d, nn.ZeroPad2d)
_KEEPING: Final = frozenset({functional.max_pool2d, functional.max_pool1d, functional.dropout})


@dataclass(frozen=True, kw_only=True)
class ResidualSum:
    """A sum of two tensors.

    Attributes:
        name: of the sum, as `torch.fx` calls it.
        layers: names of the convolutions or normalizations whose results are added.
        skip: name of the ``nn.ReLU`` whose output is the other operand; None where both are results of layers.
        relus: names of the ``nn.ReLU`` layers that read the sum, empty if anything else does as well.
        problem: why the operands have no common grid; empty if they can get one.
    """

    name: str
    layers: tuple[str, ...] = ()
    skip: str | None = None
    relus: tuple[str, ...] = ()
    problem: str = ""


def residual_sums(model: nn.Module) -> list[ResidualSum]:
    """Return the sums of two tensors in a model of torch's own layers, in the order in which they are computed.

    Raises:
        ValueError: `torch.fx` cannot follow the model's forward.
    """
    try:
        graph = symbolic_trace(model).graph
    except (torch.fx.proxy.TraceError, TypeError) as error:
        raise ValueError(
            f"sparq_ptq: expected a forward that torch.fx follows, to find the residual sums, found {error}; set "
            "sum_bits=None to leave the sums in float"
        ) from error
    modules = dict(model.named_modules())
    return [
        _described(node, modules)
        for node in graph.nodes
        if node.target in _SUMS and len(node.args) == 2 and all(isinstance(each, Node) for each in node.args)
    ]


def _described(node: Node, modules: Mapping[str, nn.Module]) -> ResidualSum:
    layers: list[str] = []
    skips: list[str] = []
    for operand in node.args:
        if not isinstance(operand, Node):
            continue
        path = _path(operand, modules)
        source, target = path[-1], str(path[-1].target)
        layer = modules.get(target) if source.op == "call_module" else None
        if isinstance(layer, nn.ReLU):
            skips.append(target)
        elif not isinstance(layer, _LAYERS):
            what = type(layer).__name__ if layer is not None else source.name
            return _without_grid(node, f"its operand {operand.name!r} comes from {what}, no ReLU and no linear layer")
        elif any(len(each.users) > 1 for each in path):
            return _without_grid(node, f"{target!r}, which it adds, is read elsewhere, too")
        elif sum(each.op == "call_module" and each.target == source.target for each in node.graph.nodes) > 1:
            return _without_grid(node, f"{target!r}, which it adds, is called several times")
        else:
            layers.append(target)
    if not layers:
        return _without_grid(node, f"it adds two activations, {' and '.join(skips)}, which have scales of their own")
    return ResidualSum(
        name=node.name, layers=tuple(layers), skip=skips[0] if skips else None, relus=_relus(node, modules)
    )


def _without_grid(node: Node, problem: str) -> ResidualSum:
    return ResidualSum(name=node.name, problem=problem)


def _path(node: Node, modules: Mapping[str, nn.Module]) -> list[Node]:
    """Return a value and what it is made of by steps that keep its grid: selecting, and adding zeros."""
    path = [node]
    while _keeps_grid(path[-1], modules) and isinstance(first := path[-1].args[0], Node):
        path.append(first)
    return path


def _keeps_grid(node: Node, modules: Mapping[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], _KEEPING_LAYERS)
    if node.target is functional.pad:
        value = node.kwargs.get("value", node.args[3] if len(node.args) > 3 else None)
        return not value and node.kwargs.get("mode", "constant") == "constant"
    return node.op == "call_function" and node.target in _KEEPING


def _relus(node: Node, modules: Mapping[str, nn.Module]) -> tuple[str, ...]:
    readers = [user for user in node.users if user.op == "call_module"]
    found = tuple(str(user.target) for user in readers if isinstance(modules[str(user.target)], nn.ReLU))
    return found if len(found) == len(node.users) else ()
