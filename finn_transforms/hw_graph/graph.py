"""All hardware layers of a model, in order, with who feeds whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import onnx_ir as ir
from qonnx.core.datatype import BaseDataType

from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import is_hardware
from finn_transforms.hw_graph.attributes import HwGraphError, NodeReader
from finn_transforms.hw_graph.mvau import MvauParams
from finn_transforms.hw_graph.padding import PaddingParams
from finn_transforms.hw_graph.pool import PoolParams
from finn_transforms.hw_graph.shift import ShiftMvauParams
from finn_transforms.hw_graph.sparq import SparqEncoderParams, SparqMvauParams
from finn_transforms.hw_graph.stream import STREAM_READERS, StreamParams
from finn_transforms.hw_graph.swg import SwgParams
from finn_transforms.hw_graph.thresholding import ThresholdingParams
from finn_transforms.hw_graph.vvau import VvauParams

HwLayer: TypeAlias = (
    MvauParams
    | VvauParams
    | ThresholdingParams
    | SwgParams
    | PaddingParams
    | PoolParams
    | SparqEncoderParams
    | StreamParams
)


@dataclass(frozen=True, kw_only=True)
class UnreadNode:
    """A hardware node of a kind that has no parameters here, or no cost, so that nothing is estimated for it."""

    name: str
    op_type: str


@dataclass(frozen=True, kw_only=True)
class HwStream:
    """A stream from one hardware layer to another.

    Attributes:
        producer: Name of the layer that writes it.
        consumer: Name of the layer that reads it.
        output: Which output of the producer it is.
        input: Which input of the consumer it is.
        data_type: Data type of its elements, None where the graph does not say.
    """

    producer: str
    consumer: str
    output: int
    input: int
    data_type: BaseDataType | None


@dataclass(frozen=True, kw_only=True)
class HwGraph:
    """The hardware layers of a model.

    Attributes:
        layers: The layers in topological order.
        feeders: For each layer, by name, the layers whose outputs it reads.
        unread: Hardware nodes of other kinds.
        streams: The streams between the layers, read or not, in order of their consumers.
        alternatives: The layers to choose from where several compute the same, by name; their order decides between
            equally cheap ones.
    """

    layers: tuple[HwLayer, ...]
    feeders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unread: tuple[UnreadNode, ...] = ()
    streams: tuple[HwStream, ...] = ()
    alternatives: Mapping[str, tuple[HwLayer, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.layers)

    def layer(self, name: str) -> HwLayer:
        """Return the layer of that name.

        Raises:
            KeyError: there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no hardware layer is named {name!r}; there are {[layer.name for layer in self.layers]}")


def read_hw_graph(model: ir.Model) -> HwGraph:
    """Read every hardware layer of the main graph.

    Raises:
        HwGraphError: an attribute is missing or impossible, or two layers share a name.
    """
    layers: list[HwLayer] = []
    unread: list[UnreadNode] = []
    streams: list[HwStream] = []
    feeders: dict[str, tuple[str, ...]] = {}
    for node in model.graph:
        if not is_hardware(node):
            continue
        name = node.name or ""
        if not name or name in feeders:
            raise HwGraphError(
                f"{node.op_type}: expected a name that no other hardware layer has, found {name!r}. "
                "Give the nodes unique names first (qonnx's GiveUniqueNodeNames)."
            )
        incoming = _streams(node)
        streams += incoming
        feeders[name] = tuple(stream.producer for stream in incoming)
        layer = read_layer(node)
        if layer is None:
            unread.append(UnreadNode(name=name, op_type=node.op_type))
        else:
            layers.append(layer)
    return HwGraph(layers=tuple(layers), feeders=feeders, unread=tuple(unread), streams=tuple(streams))


def read_layer(node: ir.Node) -> HwLayer | None:
    """Read one hardware node, or return None where its kind has no parameters here.

    Raises:
        HwGraphError: an attribute is missing or impossible.
    """
    read = _READERS.get(node.op_type.removesuffix("_hls").removesuffix("_rtl"))
    return None if read is None or not is_hardware(node) else read(NodeReader(node))


def _streams(node: ir.Node) -> list[HwStream]:
    found = []
    for position, value in enumerate(node.inputs):
        producer = None if value is None else value.producer()
        if value is None or producer is None or not is_hardware(producer):
            continue
        stream = HwStream(
            producer=producer.name or "",
            consumer=node.name or "",
            output=value.index() or 0,
            input=position,
            data_type=integer_datatype(value),
        )
        found.append(stream)
    return found


_READERS: dict[str, Callable[[NodeReader], HwLayer]] = {
    **STREAM_READERS,
    "ConvolutionInputGenerator": SwgParams.from_reader,
    "FMPadding": PaddingParams.from_reader,
    "MVAU": MvauParams.from_reader,
    "Pool": PoolParams.from_reader,
    "ShiftMVAU": ShiftMvauParams.from_reader,
    "SparqEncoder": SparqEncoderParams.from_reader,
    "SparqMVAU": SparqMvauParams.from_reader,
    "Thresholding": ThresholdingParams.from_reader,
    "VVAU": VvauParams.from_reader,
}
