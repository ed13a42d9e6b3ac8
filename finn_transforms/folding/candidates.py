"""Which foldings a layer may have, which ones go together, and how wide its streams are then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Final

from finn_transforms.folding.divisors import divisors
from finn_transforms.hw_graph import (
    HwLayer,
    MvauParams,
    PaddingParams,
    PoolParams,
    SparqEncoderParams,
    StreamParams,
    SwgParams,
    ThresholdingParams,
    VvauParams,
)

# Widest ap_int of Vitis HLS, which every stream of an HLS unit has to fit.
WIDEST_HLS_INTEGER: Final = 8191
# Words of SIMD inputs that the buffer of FINN's HLS unit can have.
_HLS_INPUT_WORDS: Final = 1024


def foldings(layer: HwLayer) -> tuple[HwLayer, ...]:
    """Return the layer in every legal folding; the divisor lattice, less what FINN cannot build.

    - MVAU: PE divides MH, SIMD divides MW. FINN's HLS unit takes no stream wider than `WIDEST_HLS_INTEGER` bits and no
      input vector of more than 1,024 words.
    - VVAU: PE divides the channels; SIMD divides the window, and is above 1 only with PE = channels, since FINN's
      window generator sends several pixels of a window only together with all channels.
    - Window generator: SIMD divides the channels; whole windows with all channels, if it is depthwise with any, and
      if FINN's generator builds them.
    - SPARQ: SIMD of its MVAU and encoder is even where activations come in pairs.
    - All others: their one width divides the channels of each of their streams.
    """
    return tuple(_foldings(layer))


def _foldings(layer: HwLayer) -> Iterator[HwLayer]:
    if isinstance(layer, MvauParams):
        every = (replace(layer, pe=pe, simd=simd) for pe in divisors(layer.mh) for simd in simd_widths(layer))
        yield from (each for each in every if each.style != "hls" or _fits_hls(each))
    elif isinstance(layer, VvauParams):
        yield from (replace(layer, pe=pe, simd=1) for pe in divisors(layer.channels))
        yield from (replace(layer, pe=layer.channels, simd=simd) for simd in divisors(layer.length)[1:])
    elif isinstance(layer, SwgParams):
        widths = divisors(layer.channels)
        yield from (replace(layer, simd=simd, parallel_window=False) for simd in widths)
        if prod(layer.kernel) > 1:
            widest = widths if layer.depthwise else widths[-1:]
            whole = (replace(layer, simd=simd, parallel_window=True) for simd in widest)
            yield from (each for each in whole if each.refusal is None)
    elif isinstance(layer, PaddingParams):
        yield from (replace(layer, simd=simd) for simd in divisors(layer.channels))
    elif isinstance(layer, SparqEncoderParams):
        yield from (replace(layer, simd=simd) for simd in simd_widths(layer))
    elif isinstance(layer, StreamParams):
        yield from (replace(layer, width=width) for width in divisors(layer.widest))
    else:
        yield from (replace(layer, pe=pe) for pe in divisors(layer.channels))


def fit_together(producer: HwLayer, consumer: HwLayer) -> bool:
    """Tell whether a layer can feed another in these foldings.

    A pool or VVAU takes the channels of a depthwise window generator as they come: their widths are equal, and whole
    windows come if, and only if, several pixels of a window are taken at once. All other neighbours fit together by
    means of a width converter.
    """
    if not (isinstance(producer, SwgParams) and producer.depthwise):
        return True
    if isinstance(consumer, VvauParams):
        return producer.simd == consumer.pe and producer.parallel_window == (consumer.simd > 1)
    if isinstance(consumer, PoolParams):
        return producer.simd == consumer.pe and not producer.parallel_window
    return True


def input_elements(layer: HwLayer) -> int:
    """Return the elements that the layer takes per beat of each of its inputs."""
    if isinstance(layer, MvauParams):
        return layer.input_words
    if isinstance(layer, VvauParams):
        return layer.pe * layer.simd
    return _width(layer)


def output_elements(layer: HwLayer) -> int:
    """Return the elements that the layer sends per beat of each of its outputs."""
    if isinstance(layer, MvauParams | VvauParams):
        return layer.pe
    if isinstance(layer, SwgParams) and layer.parallel_window:
        return layer.simd * prod(layer.kernel)
    return layer.words if isinstance(layer, SparqEncoderParams) else _width(layer)


def simd_widths(layer: MvauParams | SparqEncoderParams) -> tuple[int, ...]:
    """Return the inputs that a layer may take per cycle, from few to many; whole pairs where they come in SPARQ's."""
    inputs = layer.mw if isinstance(layer, MvauParams) else layer.channels
    return tuple(simd for simd in divisors(inputs) if simd % layer.smallest_simd == 0)


def _width(
    layer: ThresholdingParams | SwgParams | PaddingParams | PoolParams | SparqEncoderParams | StreamParams,
) -> int:
    if isinstance(layer, StreamParams):
        return layer.width
    return layer.simd if isinstance(layer, SwgParams | PaddingParams | SparqEncoderParams) else layer.pe


def _fits_hls(layer: MvauParams) -> bool:
    weight_bits = int(layer.weight_type.bitwidth()) * layer.simd
    widest = max(
        layer.simd * int(layer.input_type.bitwidth()),
        layer.pe * int(layer.output_type.bitwidth()),
        weight_bits * layer.pe if layer.mem_mode == "internal_decoupled" else weight_bits,
    )
    return widest <= WIDEST_HLS_INTEGER and layer.synapse_fold <= _HLS_INPUT_WORDS
