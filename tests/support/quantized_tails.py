"""An integer image behind any function and a quantizer, with what comes out for every integer, by decimal rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.emulate import emulate
from tests.support.graphs import GraphBuilder
from tests.support.tails import rounded

Function = Callable[[GraphBuilder, str], str]


@dataclass(frozen=True, kw_only=True)
class QuantizerSpec:
    """A `Quant` node; lists have one value per channel."""

    bits: int
    signed: bool = False
    narrow: bool = False
    rounding: str = "ROUND"
    scale: tuple[float, ...] = (0.25,)
    zero_point: tuple[float, ...] = (0.0,)

    @property
    def codes(self) -> tuple[int, int]:
        if self.bits == 1 and self.signed:
            return -1, 1
        low = -(2 ** (self.bits - 1)) if self.signed else 0
        high = low + 2**self.bits - 1
        return low + (self.signed and self.narrow), high - (not self.signed and self.narrow)

    def add_to(self, graph: GraphBuilder, x: str) -> str:
        scale, zero_point = (np.reshape(values, (-1, 1, 1)) for values in (self.scale, self.zero_point))
        options = {"signed": self.signed, "narrow": self.narrow, "rounding": self.rounding}
        return graph.quant(x, scale, self.bits, zero_point=zero_point, **options)

    def integers_of(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the codes minus the zero point of (n, C)."""
        low, high = self.codes
        zero_point = np.array(self.zero_point)
        scaled = values / np.array(self.scale, np.float32).astype(np.float64) + zero_point
        if self.bits == 1 and self.signed:
            return np.where(scaled >= 0, 1, -1)
        clipped = np.where(scaled < low, float(low), np.where(scaled > high, float(high), scaled))
        codes = np.array([[rounded(value, self.rounding) for value in row] for row in clipped.tolist()])
        return codes - zero_point.astype(np.int64)


@dataclass(frozen=True)
class QuantizedTail:
    """Factors (C,) on integers of a type, a function, and a quantizer."""

    function: Function
    factors: tuple[float, ...]
    quantizer: QuantizerSpec
    kind: str = "INT10"

    def graph(self, height: int = 1, width: int = 1) -> tuple[GraphBuilder, str]:
        """Return a graph and the name of the function's value."""
        graph = GraphBuilder((1, len(self.factors), height, width))
        graph.datatypes["x"] = self.kind
        scaled = graph.node("Mul", ["x", graph.constant(np.reshape(self.factors, (-1, 1, 1)))])
        return graph, self.function(graph, scaled)

    def model(self, height: int = 1, width: int = 1) -> ir.Model:
        graph, y = self.graph(height, width)
        return graph.model(self.quantizer.add_to(graph, y))

    def expected(self, integers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the output (n, C) for every integer (n,)."""
        graph, y = self.graph()
        x = np.tile(integers[:, None, None, None], (1, len(self.factors), 1, 1))
        values = emulate(graph.model(y), {"x": x})[y]
        codes = self.quantizer.integers_of(values[:, :, 0, 0])
        return codes * np.array(self.quantizer.scale, np.float32).astype(np.float64)
