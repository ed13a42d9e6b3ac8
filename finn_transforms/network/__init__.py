"""Whole networks: units joined into one top module, FIFO depths that cannot deadlock, and comparison with the emulator."""

from finn_transforms.network.depths import Depth, depths, expected
from finn_transforms.network.graph import OUTSIDE, Link, Network, NetworkError, Port, linear
from finn_transforms.network.stitch import Stitched, stitch

__all__ = [
    "OUTSIDE",
    "Depth",
    "Link",
    "Network",
    "NetworkError",
    "Port",
    "Stitched",
    "depths",
    "expected",
    "linear",
    "stitch",
]
