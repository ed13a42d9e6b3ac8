"""Folding greedily to a number of cycles, as FINN does.

The rules are those of FINN's ``SetFolding``, so that both give the same hardware, on parameters alone and without FINN.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from finn_transforms.folding.candidates import WIDEST_HLS_INTEGER, simd_widths
from finn_transforms.folding.divisors import divisors
from finn_transforms.hw_graph import (
    HwGraph,
    HwLayer,
    MvauParams,
    PaddingParams,
    PoolParams,
    SparqEncoderParams,
    StreamParams,
    SwgParams,
    VvauParams,
)

Layer = TypeVar("Layer", bound=HwLayer)
Windowed = TypeVar("Windowed", PoolParams, VvauParams)


@dataclass(frozen=True, kw_only=True)
class FoldingOptions:
    """What to fold to.

    Attributes:
        target_cycles: Clock cycles per frame that no layer should exceed.
        weight_stream_bits: SIMD of a matrix-vector unit grows until the weights of one output are this wide
            (FINN's ``mvau_wwidth_max``); then PE grows.
        relax: Where a layer cannot reach the target, fold the others to what that layer reaches, instead of
            leaving them faster than it can use.

    Raises:
        ValueError: a number is not positive.
    """

    target_cycles: int
    weight_stream_bits: int = 36
    relax: bool = True

    def __post_init__(self) -> None:
        for name in ("target_cycles", "weight_stream_bits"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")


def fold(graph: HwGraph, options: FoldingOptions) -> HwGraph:
    """Return the graph with PE and SIMD chosen anew, the smallest that meet the target.

    A matrix-vector unit grows SIMD first, then PE; a vector-vector unit the other way round; other layers have one of
    them.  A pool or vector-vector unit and the window generator in front of it share their width.  A window generator
    that is too slow with all channels at once emits whole windows.  Unlike FINN's ``SetFolding``, which does not know
    ``UpsampleNearestNeighbour``, it folds that as well.
    """
    folded = {layer.name: layer for layer in graph.layers}
    for layer in graph.layers:
        folded.update(_fold_layer(layer, graph, folded, options))
    result = replace(graph, layers=tuple(folded[layer.name] for layer in graph.layers))
    slowest = max((layer.cycles() for layer in result.layers), default=0)
    if options.relax and slowest > options.target_cycles:
        return fold(graph, replace(options, target_cycles=slowest, relax=False))
    return result


def _fold_layer(
    layer: HwLayer, graph: HwGraph, folded: dict[str, HwLayer], options: FoldingOptions
) -> dict[str, HwLayer]:
    target = options.target_cycles
    if isinstance(layer, MvauParams):
        return {layer.name: _fold_mvau(layer, options)}
    if isinstance(layer, PoolParams):
        return _fold_with_windows(_fold_channels(layer, target), graph, folded, target)
    if isinstance(layer, VvauParams):
        return _fold_with_windows(_fold_vvau(layer, target), graph, folded, target)
    if isinstance(layer, SwgParams):
        return {} if layer.depthwise else {layer.name: _fold_swg(layer, target)}
    if isinstance(layer, StreamParams):
        return {layer.name: _fold_stream(layer, target)}
    if isinstance(layer, SparqEncoderParams):
        return {layer.name: _first_to_meet(target, (replace(layer, simd=simd) for simd in simd_widths(layer)))}
    widths = divisors(layer.channels)
    if isinstance(layer, PaddingParams):
        return {layer.name: _first_to_meet(target, (replace(layer, simd=simd) for simd in widths))}
    return {layer.name: _first_to_meet(target, (replace(layer, pe=pe) for pe in widths))}


def _fold_mvau(layer: MvauParams, options: FoldingOptions) -> MvauParams:
    weight_bits = int(layer.weight_type.bitwidth())
    layer = replace(layer, pe=1, simd=layer.smallest_simd)
    for simd in simd_widths(layer):
        wider = replace(layer, simd=simd)
        if wider.cycles() > options.target_cycles and weight_bits * simd > options.weight_stream_bits:
            break
        layer = wider
        if layer.cycles() <= options.target_cycles:
            break
    for pe in divisors(layer.mh):
        wider = replace(layer, pe=pe)
        stream = pe * layer.simd * weight_bits // layer.tiling
        streamed_by_hls = layer.style != "rtl" and layer.mem_mode == "internal_decoupled"
        if streamed_by_hls and stream > WIDEST_HLS_INTEGER:
            break
        layer = wider
        if layer.cycles() <= options.target_cycles:
            break
    return layer


def _fold_swg(layer: SwgParams, target: int) -> SwgParams:
    widths = divisors(layer.channels)
    layer = _first_to_meet(target, (replace(layer, parallel_window=False, simd=simd) for simd in widths))
    whole_window = layer.simd == layer.channels and layer.cycles() > target
    return replace(layer, parallel_window=whole_window)


def _fold_channels(layer: Windowed, target: int) -> Windowed:
    return _first_to_meet(target, [replace(layer, pe=pe) for pe in divisors(layer.channels)])


def _fold_vvau(layer: VvauParams, target: int) -> VvauParams:
    layer = _fold_channels(replace(layer, simd=1), target)
    if layer.pe < layer.channels:
        return layer
    return _first_to_meet(target, [replace(layer, simd=simd) for simd in divisors(layer.length)])


def _fold_with_windows(layer: Windowed, graph: HwGraph, folded: dict[str, HwLayer], target: int) -> dict[str, HwLayer]:
    """Give the window generator in front of a layer its width, and both a larger one where that is too slow."""
    feeders = [folded[name] for name in graph.feeders.get(layer.name, ()) if name in folded]
    windows = [feeder for feeder in feeders if isinstance(feeder, SwgParams)]
    if not windows:
        return {layer.name: layer}
    window = replace(windows[0], simd=layer.pe, parallel_window=False)
    for pe in (pe for pe in divisors(layer.channels) if pe > layer.pe):
        if window.cycles() <= target:
            break
        layer, window = replace(layer, pe=pe), replace(window, simd=pe)
    # Several pixels per cycle have to arrive together.
    whole_window = isinstance(layer, VvauParams) and layer.simd > 1
    return {layer.name: layer, window.name: replace(window, parallel_window=whole_window)}


def _fold_stream(layer: StreamParams, target: int) -> StreamParams:
    # FINN wants fewer cycles than the target where streams of several widths meet, and elsewhere no more.
    is_strict = layer.kind in {"StreamingConcat", "StreamingSplit"}
    widths = divisors(layer.widest)
    return _first_to_meet(target - is_strict, (replace(layer, width=width) for width in widths))


def _first_to_meet(target: int, candidates: Iterable[Layer]) -> Layer:
    """Return the first candidate that is fast enough, or the last; they come by growing width, and there is one."""
    candidates = iter(candidates)
    chosen = next(candidates)
    while chosen.cycles() > target and (wider := next(candidates, None)) is not None:
        chosen = wider
    return chosen
