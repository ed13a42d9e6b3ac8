"""Convolutions that train on integers."""

from __future__ import annotations

from typing import Literal, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brevitas_ext.nn.exact_convolution import ExactConvolution, Pair
from brevitas_ext.nn.layer_base import ShiftQuantLayer
from brevitas_ext.nn.quantization import ShiftQuantization, ShiftQuantOptions

Size = int | tuple[int, ...]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


class _ShiftQuantConv(ShiftQuantLayer):
    """A convolution of any dimension: padding, lifting to two dimensions, products.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: as of torch's convolutions.
        stride: as of torch's convolutions.
        padding: as of torch's convolutions, ``"same"`` and ``"valid"`` too.
        dilation: as of torch's convolutions.
        groups: of channels, which are connected among themselves only; not ShiftQuant's groups.
        bias: whether to add a bias, which stays in floats.
        padding_mode: as of torch's convolutions; what is not zeros is padded before quantization.
        device: of the parameters.
        dtype: of the parameters, input and output.
        seed: of the stochastic rounding; None draws one from torch's generator.
        **options: fields of `ShiftQuantization`, e.g. ``gradient_bits=6``.

    Raises:
        ValueError: an option is out of range.
    """

    in_channels: int
    groups: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | str
    dilation: tuple[int, ...]
    padding_mode: PaddingMode
    bias: Tensor | None
    _reversed_padding_repeated_twice: list[int]

    def __init__(  # noqa: PLR0913 - torch's own, and the seed
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        seed: int | None = None,
        **options: Unpack[ShiftQuantOptions],
    ) -> None:
        super().__init__(  # of the layer of torch.nn that a class names after this one
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.start(ShiftQuantization(**options), seed)

    def forward(self, input: Tensor) -> Tensor:
        """Return the output of an input (N, C, ...), or (C, ...) without a batch.

        Raises:
            TypeError: the input's dtype is not the weights'.
            ValueError: the input has other dimensions or channels, or is not finite.
        """
        dimensions = len(self.kernel_size)
        batched = input.ndim == dimensions + 2
        x = input if batched else input.unsqueeze(0)
        if x.ndim != dimensions + 2 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"expected an input (N, {self.in_channels}, ...) of {dimensions + 2} dimensions for "
                f"{type(self).__name__}, or one without N, found shape {tuple(input.shape)}"
            )
        padding = self.padding
        if self.padding_mode != "zeros" or isinstance(padding, str):
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            x = F.pad(x, self._reversed_padding_repeated_twice, mode)
            padding = (0,) * dimensions
        arithmetic = ExactConvolution(
            stride=_pair(self.stride, 1),
            padding=_pair(padding, 0),
            dilation=_pair(self.dilation, 1),
            groups=self.groups,
        )
        if dimensions == 2:
            y = self.products(x, self.weight, self.bias, arithmetic, self.groups)
        else:
            y = self.products(x.unsqueeze(2), self.weight.unsqueeze(2), self.bias, arithmetic, self.groups).squeeze(2)
        return y if batched else y.squeeze(0)


class ShiftQuantConv1d(_ShiftQuantConv, nn.Conv1d):
    """`torch.nn.Conv1d` whose three products run on integers, as those of `ShiftQuantConv2d`.

    Shape:
        Input (N, C, L) or (C, L), output (N, O, L') or (O, L').
    """


class ShiftQuantConv2d(_ShiftQuantConv, nn.Conv2d):
    """`torch.nn.Conv2d` whose forward product and both gradients' products run on integers.

    Forward, activations are in ShiftQuant's groups of input channels, weights have a scale per output channel.  The
    input gradient takes output gradients in groups of output channels and weights with a scale per input channel.
    Every product is the exact dot product of what the integers stand for, scaled once (paper: ShiftQuant, section 3,
    Fig. 1, Eq. 46).

    The inner dimension of the weight gradient is batch and positions.  There both operands are in groups of *samples*,
    whose exponents add, not of positions: the windows of a convolution overlap, so an element of the input meets
    output gradients of many positions, and a factor for each position of the unfolded input would ask for as many
    quantizations of the same element as the kernel has positions.  A factor that is common to a sample is the finest
    that the convolution leaves intact.

    Shape:
        Input (N, C, H, W) or (C, H, W), output (N, O, H', W') or (O, H', W').
    """


def _pair(sizes: tuple[int, ...], above: int) -> Pair:
    """Return sizes for two dimensions; a single dimension becomes the second."""
    rows, columns = sizes if len(sizes) == 2 else (above, sizes[0])
    return rows, columns
