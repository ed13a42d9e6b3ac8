"""Where the output channels of a layer's weight lie, and the weight as a matrix with one row per channel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_KINDS: tuple[tuple[type[nn.Module], str], ...] = (
    (nn.Linear, "linear"),
    (nn.Conv1d, "conv1d"),
    (nn.Conv2d, "conv2d"),
    (nn.Conv3d, "conv3d"),
    (nn.ConvTranspose1d, "conv_transpose1d"),
    (nn.ConvTranspose2d, "conv_transpose2d"),
    (nn.ConvTranspose3d, "conv_transpose3d"),
)


@dataclass(frozen=True, kw_only=True)
class ChannelRows:
    """The weight of a linear or convolutional layer as a (C, K) matrix, and back.

    C is the number of output channels; K the number of weights of one, per group: ``kh * kw`` for a depthwise
    convolution.

    Attributes:
        kind: ``"linear"``, ``"conv2d"``, ``"conv_transpose2d"``, and so on.
        weight_shape: shape of the layer's weight: (C, K) for a linear layer, (C, inputs / groups, *kernel) for a
            convolution and (inputs, C / groups, *kernel) for a transposed one.
        groups: number of groups.
    """

    kind: str
    weight_shape: tuple[int, ...]
    groups: int = 1

    @classmethod
    def of(cls, layer: nn.Module) -> ChannelRows:
        """Return the layout of a layer.

        Raises:
            TypeError: the layer is neither linear nor a convolution.
        """
        for layer_type, kind in _KINDS:
            if isinstance(layer, layer_type):
                groups = 1 if kind == "linear" else int(layer.groups)  # type: ignore[arg-type]
                return cls(kind=kind, weight_shape=tuple(layer.weight.shape), groups=groups)  # type: ignore[arg-type]
        raise TypeError(f"expected a linear or convolutional layer, found {type(layer).__name__}")

    @property
    def is_transposed(self) -> bool:
        """Whether the weight's first dimension counts inputs instead of outputs."""
        return self.kind.startswith("conv_transpose")

    @property
    def channels(self) -> int:
        """Number of output channels C."""
        return self.weight_shape[1] * self.groups if self.is_transposed else self.weight_shape[0]

    @property
    def inputs_per_group(self) -> int:
        """Number of input channels that one output channel sees."""
        return self.weight_shape[0] // self.groups if self.is_transposed else self.weight_shape[1]

    @property
    def k(self) -> int:
        """Number of weights of one output channel."""
        return self.inputs_per_group * math.prod(self.weight_shape[2:])

    @property
    def channel_shape(self) -> tuple[int, ...]:
        """Shape in which one value per output channel broadcasts against the weight.

        Raises:
            NotImplementedError: a transposed convolution has several groups with more than one input each; no shape
                broadcasts.
        """
        kernel = (1,) * (len(self.weight_shape) - 2)
        if not self.is_transposed:
            return (self.channels, 1, *kernel)
        if self.groups == 1:
            return (1, self.channels, *kernel)
        if self.inputs_per_group == 1:
            return (*self.weight_shape[:2], *kernel)
        raise NotImplementedError(
            f"{self.kind}: a scale per output channel does not broadcast over {self.groups} groups of "
            f"{self.inputs_per_group} inputs; use groups=1 or groups=in_channels"
        )

    def rows(self, weight: Tensor) -> Tensor:
        """Return the weight as a matrix of shape (C, K), without a copy where the layout allows."""
        if self.is_transposed and self.inputs_per_group > 1:
            groups, kernel = self.groups, self.weight_shape[2:]
            weight = weight.reshape(groups, self.inputs_per_group, self.weight_shape[1], *kernel).transpose(1, 2)
        return weight.reshape(self.channels, self.k)

    def of_inputs(self, per_channel: Tensor) -> Tensor:
        """Return for every weight the value of the input channel that it multiplies, shape (C, K).

        Args:
            per_channel: one value per input channel, shape (inputs,).

        Raises:
            ValueError: the layer has another number of input channels.
        """
        if per_channel.numel() != self.inputs_per_group * self.groups:
            raise ValueError(
                f"{self.kind}: expected values for {self.inputs_per_group * self.groups} input channels, found "
                f"{per_channel.numel()}; check the axis of the input's quantizer"
            )
        of_group = per_channel.view(self.groups, 1, self.inputs_per_group, 1)
        spread = of_group.expand(-1, self.channels // self.groups, -1, self.k // self.inputs_per_group)
        return spread.reshape(self.channels, self.k)

    def relative_exponents(self, exponents: Tensor) -> Tensor:
        """Return for every weight the left shift of its input less the smallest one within its group, (C, K).

        A unit that all inputs of a sum are multiples of is no concern of the accumulator.

        Args:
            exponents: left shifts k of the input channels, integers, shape (inputs,).

        Raises:
            ValueError: the layer has another number of input channels.
        """
        spread = self.of_inputs(exponents)
        return spread - spread.amin(dim=1, keepdim=True)

    def weight(self, rows: Tensor) -> Tensor:
        """Return a matrix of shape (C, K) in the shape of the layer's weight; the inverse of `rows`."""
        if self.is_transposed and self.inputs_per_group > 1:
            groups, kernel = self.groups, self.weight_shape[2:]
            rows = rows.reshape(groups, self.weight_shape[1], self.inputs_per_group, *kernel).transpose(1, 2)
        return rows.reshape(self.weight_shape)


def float_rows(layout: ChannelRows, weight: Tensor) -> Tensor:
    """Return the rows of a weight in float32, or float64 if the weight has it."""
    return layout.rows(weight).to(torch.promote_types(weight.dtype, torch.float32))
