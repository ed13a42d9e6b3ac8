"""Keep the weights of accumulator-aware layers where the budget is spent on integers, at the start and while training.

A2Q scales a channel down to its l1 budget and rounds toward zero, so what a weight has beyond its integer is spent
without effect.  An optimizer moves every weight at every step, those that round to zero too; each move takes from all
others, and integers that start just at their value fall to the next lower one.  Two remedies, both changing only where
the weights are, not the quantizer and its guarantee: `start_with_room` lets every integer start in the middle between
itself and the next, and `return_to_budget` takes back what the optimizer added beyond the budget.
"""

import torch
from torch import Tensor, nn

from brevitas_ext.demo.model import HIDDEN_CONVS, DemoNet
from brevitas_ext.quantizers import A2QWeightQuantProxy, initialize_from_float, project_on_l1_ball
from brevitas_ext.quantizers.closest_integers import closest_integers

# Scales tried, as multiples of the one at which a channel's largest weight takes the widest integer.
_SCALES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)


@torch.no_grad()
def start_with_room(model: DemoNet, inputs: Tensor, *, room: float = 0.5) -> None:
    """Start every hidden convolution at the integers within its budget that best match the direction of its weights.

    Batch norm follows each convolution, so a channel's length does not matter.

    Args:
        model: A network of variant ``a2q`` that holds float-trained weights.
        inputs: Network input of shape (N, 3, 32, 32), run once so that the layers see their input's format.
        room: How far beyond its integer a weight starts, in steps; the integers get 1 / (1 + room) of the budget.
    """
    floats = [layer.weight.clone() for layer, _ in _hidden(model)]
    initialize_from_float(model, inputs)
    for (layer, proxy), weight in zip(_hidden(model), floats, strict=True):
        config, rows = proxy.config, weight.flatten(1)
        widest = rows.abs().amax(dim=1, keepdim=True) / config.weight_limit
        scale, best = widest, torch.full_like(widest, -1.0)
        integers = torch.zeros_like(rows)
        for multiple in _SCALES:
            targets = rows.abs() / (widest * multiple)
            found = closest_integers(targets, float(config.l1_budget) / (1 + room), config.weight_limit)
            match = torch.cosine_similarity(found, targets).unsqueeze(1)
            integers = torch.where(match > best, found, integers)
            scale, best = torch.where(match > best, widest * multiple, scale), torch.maximum(match, best)
        start = rows.sign() * (integers + room * integers.sign()) * scale
        layer.weight.copy_(start.view_as(weight))
        proxy.tensor_quant.set_parameters(scale, _l1(start))


@torch.no_grad()
def return_to_budget(model: DemoNet) -> None:
    """Project the weights of every hidden convolution back onto its l1 budget; call it after an optimizer's step."""
    for layer, proxy in _hidden(model):
        radius = float(proxy.config.l1_budget) * torch.exp2(proxy.tensor_quant.effective_log_scale())
        layer.weight.copy_(project_on_l1_ball(layer.weight.flatten(1), radius).view_as(layer.weight))


def _l1(rows: Tensor) -> Tensor:
    return rows.abs().sum(dim=1, keepdim=True)


def _hidden(model: DemoNet) -> list[tuple[nn.Conv2d, A2QWeightQuantProxy]]:
    layers = [getattr(model, name) for name in HIDDEN_CONVS]
    return [(layer, layer.weight_quant) for layer in layers]
