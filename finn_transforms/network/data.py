"""What the emulator says about a network: integers that enter it and that have to leave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.emulate import emulate
from finn_transforms.network.graph import NetworkError
from finn_transforms.network.stitch import Stitched
from finn_transforms.rtl import Stream
from finn_transforms.rtl.streams import Integers


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """Integers by stream, (frames, beats, elements).

    Attributes:
        inputs: What the host gives the network, computed by its nodes in front.
        outputs: What the emulator computes for the network's outputs.
    """

    inputs: tuple[Integers, ...]
    outputs: tuple[Integers, ...]


def reference(model: ir.Model, stitched: Stitched, samples: Mapping[str, NDArray[Any]]) -> Reference:
    """Emulate a model on samples.

    Args:
        model: the graph that was stitched.
        stitched: its network.
        samples: values of the graph's inputs by name, the batch first.

    Raises:
        NetworkError: a value at the network's edge is no integer.
        KeyError: an input of the graph is missing.
        ValueError: an input has another shape.
        AccumulatorOverflowError: a sum leaves its accumulator.
    """
    values = emulate(model, samples, keep=[*stitched.inputs, *stitched.outputs])
    network = stitched.network
    return Reference(
        inputs=_beats(stitched.inputs, network.inputs, values),
        outputs=_beats(stitched.outputs, network.outputs, values),
    )


def _beats(
    names: tuple[str, ...], streams: tuple[Stream, ...], values: Mapping[str, NDArray[Any]]
) -> tuple[Integers, ...]:
    return tuple(_integers(name, values[name], stream) for name, stream in zip(names, streams, strict=True))


def _integers(name: str, array: NDArray[Any], stream: Stream) -> Integers:
    rounded = array if array.dtype == object else np.rint(array).astype(np.int64)
    if (rounded != array).any():
        raise NetworkError(
            f"{name!r}: expected integers at the edge of the hardware, found fractions; see refusals.json"
        )
    return rounded.reshape(len(array), stream.beats, stream.elements)
