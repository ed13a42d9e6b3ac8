"""FINN's hardware layers as typed, read-only parameters: read once from the nodes, independent of ``finn``."""

from finn_transforms.hw_graph.attributes import HwGraphError
from finn_transforms.hw_graph.graph import HwGraph, HwLayer, HwStream, UnreadNode, read_hw_graph, read_layer
from finn_transforms.hw_graph.mvau import MvauParams
from finn_transforms.hw_graph.padding import PaddingParams
from finn_transforms.hw_graph.pool import PoolParams
from finn_transforms.hw_graph.shift import ShiftMvauParams
from finn_transforms.hw_graph.sparq import SparqEncoderParams, SparqMvauParams
from finn_transforms.hw_graph.stream import StreamParams
from finn_transforms.hw_graph.swg import SwgParams
from finn_transforms.hw_graph.thresholding import ThresholdingParams
from finn_transforms.hw_graph.vvau import VvauParams

__all__ = [
    "HwGraph",
    "HwGraphError",
    "HwLayer",
    "HwStream",
    "MvauParams",
    "PaddingParams",
    "PoolParams",
    "ShiftMvauParams",
    "SparqEncoderParams",
    "SparqMvauParams",
    "StreamParams",
    "SwgParams",
    "ThresholdingParams",
    "UnreadNode",
    "VvauParams",
    "read_hw_graph",
    "read_layer",
]
