"""What the training tables compare: widths, groups of channels, granularity and normalization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from brevitas_ext.nn import convert_to_shiftquant
from brevitas_ext.ptq import convert_batch_norm

EDGE_BITS = 8
"""Of the first convolution and the linear layer: their weights, activations and gradients."""
NORM_BITS = 8


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One line of a table.

    Attributes:
        bits: width of weights, activations and gradients; None for float.
        groups: of channels, of activations and gradients; 1 is one scale per tensor.
        weight_scales: per output and input channel, or per tensor.
        norm: fully quantized normalization, 8 bits; None for torch's.
    """

    bits: int | None
    groups: int = 4
    weight_scales: Literal["channel", "tensor"] = "channel"
    norm: Literal["l1", "l2"] | None = "l1"

    def of(self, network: nn.Module, images: Sequence[Tensor], seed: int) -> nn.Module:
        """Return a network to train; `images` tell what the mean absolute deviations are."""
        if self.norm is not None:
            network = convert_batch_norm(network, norm=self.norm, bits=NORM_BITS, loader=images)
        if self.bits is None:
            return network
        return convert_to_shiftquant(
            network,
            weight_bits=self.bits,
            activation_bits=self.bits,
            gradient_bits=self.bits,
            shift_groups=self.groups,
            weight_scales=self.weight_scales,
            first_last_bits=EDGE_BITS,
            seed=seed,
        )


FLOAT = "float"
SETTINGS: dict[str, Setting] = {
    FLOAT: Setting(bits=None, norm=None),
    "INT8 per tensor, L2": Setting(bits=8, groups=1, weight_scales="tensor", norm="l2"),
    "INT4 ShiftQuant, L1": Setting(bits=4),
    "INT4 ShiftQuant, L2": Setting(bits=4, norm="l2"),
    "INT4 ShiftQuant, float norm": Setting(bits=4, norm=None),
    "INT4, 1 group, L1": Setting(bits=4, groups=1),
    "INT4, 2 groups, L1": Setting(bits=4, groups=2),
    "INT4, 3 groups, L1": Setting(bits=4, groups=3),
    "INT4, 6 groups, L1": Setting(bits=4, groups=6),
    "INT4 per tensor, L1": Setting(bits=4, groups=1, weight_scales="tensor"),
    "INT4 per tensor, L2": Setting(bits=4, groups=1, weight_scales="tensor", norm="l2"),
    "float, L1 8 bits": Setting(bits=None),
    "float, L2 8 bits": Setting(bits=None, norm="l2"),
}
