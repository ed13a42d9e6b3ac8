"""SPARQ's encoder as what its code is worth: layers behind it move words alike, and the unit needs no decoding.

A word of zeros is 0 and is worth zeros, so that padding stays what it is.  Channels are activations here, not words,
which no layer between the encoder and the matrix-vector unit counts.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.emulate.compiled.builder import Builder
from finn_transforms.emulate.compiled.stream import UINT8_HIGHEST, Stream, float32, settled
from finn_transforms.ops.sparq import sparq_format


def encoder(builder: Builder, node: ir.Node, sources: list[Stream]) -> list[Stream]:
    """Add what activations are worth, alone or beside their partner."""
    sparq, source = sparq_format(attributes_of(node)), float32(builder, settled(builder, sources[0]))
    highest = int(sparq.reachable.max())
    fits = highest <= UINT8_HIGHEST
    dtype = np.uint8 if fits else np.float32
    index = builder.cast(source.name, np.int32)

    def looked_up(values: NDArray[np.int64]) -> str:
        return builder.node("Gather", [builder.constant(values.astype(dtype)), index], axis=0)

    result = looked_up(sparq.narrow_values)
    if sparq.pairs:
        is_zero = builder.node("Equal", [_partners(builder, source), builder.constant(np.float32(0))])
        result = builder.node("Where", [is_zero, looked_up(sparq.wide_values), result])
    low, high = np.zeros(1, np.int64), np.array([highest], np.int64)
    return [Stream(name=result, kind="uint8" if fits else "float32", rank=source.rank, low=low, high=high)]


def _partners(builder: Builder, source: Stream) -> str:
    """Return a tensor whose neighbours along the channels have changed places."""
    pairs = builder.constant(np.array([*[0] * (source.rank - 1), -1, 2], np.int64))
    apart = builder.node("Reshape", [source.name, pairs])
    swapped = builder.node("Gather", [apart, builder.constant(np.array([1, 0], np.int64))], axis=source.rank)
    return builder.node("Reshape", [swapped, builder.node("Shape", [source.name])])
