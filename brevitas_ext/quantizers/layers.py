"""Where a layer's channels are."""

from __future__ import annotations

from torch import nn


def channels_axis(module: nn.Module | None) -> int:
    """Return the channels' axis of what a layer reads, without or with a batch dimension where it takes both."""
    if isinstance(module, nn.Linear):
        return -1
    if isinstance(module, nn.modules.conv._ConvNd):
        return -1 - len(module.kernel_size)
    return 1
