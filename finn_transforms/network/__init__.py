"""Whole networks: units joined into one top module, FIFOs that cannot deadlock, comparison with the emulator."""

from finn_transforms.network.depths import Depth, depths, expected
from finn_transforms.network.graph import OUTSIDE, Link, Network, NetworkError, Port, linear
from finn_transforms.network.run import Comparison, Difference, compare
from finn_transforms.network.stitch import Stitched, stitch

__all__ = [
    "OUTSIDE",
    "Comparison",
    "Depth",
    "Difference",
    "Link",
    "Network",
    "NetworkError",
    "Port",
    "Stitched",
    "compare",
    "depths",
    "expected",
    "linear",
    "stitch",
]
