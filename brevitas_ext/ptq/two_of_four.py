"""SPARQ beside 2:4 structured weights, section 5.4: pruning, and convolutions whose pairs form after selection.

Of four adjacent input channels each output channel multiplies two, at every kernel position its own.  These two
activations are a pair, so that one activation may be narrow for one output channel and wide for another, and no
quantizer in front of the layer can say what it is worth.  The layer here computes it exactly all the same: what an
activation is worth is its narrow window plus, where its partner is zero, what a wide one adds, and there are only
three possible partners.  So the input gets four times its channels (narrow, and the addition for each partner), and
every weight appears twice, once for the narrow window and once for the addition that belongs to its partner.
"""

from __future__ import annotations

import copy
from collections.abc import Collection

import numpy as np
import torch
from brevitas.nn import QuantConv2d
from brevitas.quant_tensor import IntQuantTensor
from numpy.typing import NDArray
from torch import Tensor, nn

from brevitas_ext.arith.sparq import SparqFormat
from brevitas_ext.arith.sparq_two_of_four import GROUP, KEPT, two_of_four_places
from brevitas_ext.ptq.exchange import put


def two_of_four_mask(weights: Tensor) -> Tensor:
    """Return which weights 2:4 magnitude pruning keeps.

    Args:
        weights: of a convolution, (O, I, ...), I a multiple of four.

    Returns:
        Booleans of the shape of `weights`, two of every four adjacent input channels, the earlier of equals.

    Raises:
        ValueError: the input channels make no groups of four.
    """
    if weights.ndim < 2 or weights.shape[1] % GROUP:
        raise ValueError(
            f"2:4 sparsity: expected a number of input channels that is a multiple of {GROUP}, got weights of shape "
            f"{tuple(weights.shape)}; leave this layer dense"
        )
    groups = weights.detach().abs().unflatten(1, (-1, GROUP))
    order = groups.argsort(dim=2, descending=True, stable=True)
    mask = torch.zeros_like(groups, dtype=torch.bool).scatter_(2, order[:, :, :KEPT], value=True)
    return mask.flatten(1, 2)


def emulate_two_of_four(model: nn.Module, sparq: SparqFormat, *, keep: Collection[str] = ()) -> nn.Module:
    """Return a copy of a model whose quantized convolutions read SPARQ pairs that form after 2:4 selection.

    Args:
        model: a Brevitas model with activations of 8 unsigned bits at the inputs of its convolutions, as
            ``sparq_ptq(..., windows=None)`` returns it, and 2:4 sparse weights.
        sparq: the windows.
        keep: names of convolutions to leave as they are.

    Raises:
        ValueError: see `SelectedPairsConv2d`; or there is no convolution to exchange.
    """
    made = copy.deepcopy(model).eval()
    layers = {name: module for name, module in made.named_modules() if isinstance(module, QuantConv2d)}
    if not (exchanged := [name for name in layers if name not in keep]):
        raise ValueError(f"2:4 sparsity: expected QuantConv2d layers beside {sorted(keep)}, found none")
    for name in exchanged:
        put(made, name, SelectedPairsConv2d(layers[name], sparq))
    return made


class SelectedPairsConv2d(nn.Module):
    """A quantized convolution with SPARQ pairs that form after 2:4 selection, for inference.

    Sums are exact in float32 up to ``2**24``, which 8-bit activations and weights reach with more than about 900
    inputs.

    Args:
        layer: a Brevitas convolution with an 8-bit unsigned input quantizer, one scale per tensor.
        sparq: the windows.

    Raises:
        ValueError: weights are not 2:4 sparse along the input channels, or the layer has groups.
    """

    weight: Tensor
    narrow: Tensor
    addition: Tensor
    scale: Tensor

    def __init__(self, layer: QuantConv2d, sparq: SparqFormat) -> None:
        super().__init__()
        if layer.groups != 1:
            raise ValueError(f"2:4 sparsity: expected a convolution without groups, found {layer.groups}; keep it")
        self.input_quant = layer.input_quant
        self.stride, self.padding, self.dilation = layer.stride, layer.padding, layer.dilation
        self.bias = layer.bias
        with torch.no_grad():
            quantized = layer.quant_weight()
            integers = (quantized.value / quantized.scale).round()
        offsets = torch.from_numpy(partner_offsets(integers.to(torch.int64).numpy()))
        parts = [integers, *(integers * (offsets == offset) for offset in range(1, GROUP))]
        additions = sparq.wide_values - sparq.narrow_values if sparq.pairs else np.zeros_like(sparq.narrow_values)
        self.register_buffer("weight", torch.cat(parts, dim=1))
        self.register_buffer("narrow", torch.tensor(sparq.narrow_values, dtype=torch.float32))
        self.register_buffer("addition", torch.tensor(additions, dtype=torch.float32))
        self.register_buffer("scale", quantized.scale.detach().reshape(1, -1, 1, 1))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output.

        Args:
            x: activations (N, I, H, W).

        Raises:
            ValueError: the input quantizer gives no unsigned integers of 8 bits.
        """
        read = self.input_quant(x)
        if not isinstance(read, IntQuantTensor) or read.signed or read.bit_width.item() != 8:
            raise ValueError(f"2:4 sparsity: expected 8-bit unsigned activations, found {read}; use windows=None")
        sums = nn.functional.conv2d(
            self.expanded((read.value / read.scale).round()),
            self.weight,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )
        out: Tensor = sums * (self.scale * read.scale)
        return out if self.bias is None else out + self.bias.view(1, -1, 1, 1)

    def expanded(self, integers: Tensor) -> Tensor:
        """Return (N, 4 I, H, W): narrow values, then additions where the partner 1, 2, 3 channels on is zero."""
        index = integers.to(torch.int32).reshape(-1)
        narrow = self.narrow.index_select(0, index).view(integers.shape)
        addition = self.addition.index_select(0, index).view(integers.shape).unflatten(1, (-1, GROUP))
        is_zero = (integers == 0).unflatten(1, (-1, GROUP))
        additions = [(addition * is_zero.roll(-offset, dims=2)).flatten(1, 2) for offset in range(1, GROUP)]
        return torch.cat([narrow, *additions], dim=1)


def partner_offsets(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many channels on, cyclically within its four, the partner of every weight's activation is.

    Args:
        weights: 2:4 sparse integers of a convolution, (O, I, KH, KW).

    Returns:
        1 to 3, shape of `weights`; 0 where an activation is not selected.

    Raises:
        ValueError: see `two_of_four_places`.
    """
    rows = weights.transpose(0, 2, 3, 1)
    places = two_of_four_places(rows.reshape(weights.shape[0], -1))
    first, second = places[:, 0::KEPT], places[:, 1::KEPT]
    offsets = np.zeros((weights.shape[0], rows[0].size), dtype=np.int64)
    np.put_along_axis(offsets, first, (second - first) % GROUP, axis=1)
    np.put_along_axis(offsets, second, (first - second) % GROUP, axis=1)
    return offsets.reshape(rows.shape).transpose(0, 3, 1, 2)
