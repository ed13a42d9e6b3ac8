"""When FINN's sliding window generator reads and writes: its counters, without its data.

Beats are numbered per frame, inputs and outputs from 0.  Both sides are taken to be always ready.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from finn_transforms.hw_graph import SwgParams
from finn_transforms.ops.hardware import convolution_input_generator
from finn_transforms.rtl.streams import Integers


def in_stream_order(layer: SwgParams, windows: Integers) -> Integers:
    """Bring windows (N, pixels, folds, SIMD) into the order in which they leave, still separated by axes.

    All channels of a pixel, then the next pixel; or, where the layer is depthwise or sends a window at once, all pixels
    of SIMD channels, then the next SIMD channels.
    """
    return np.swapaxes(windows, 1, 2) if layer.depthwise or layer.registers_window else windows


def windows_of(layer: SwgParams, images: Integers) -> Integers:
    """Return the windows (N * OH * OW, pixels, folds, elements) of images (N, H, W, folds * elements)."""
    attributes = {"ConvKernelDim": layer.kernel, "Stride": layer.stride, "Dilation": layer.dilation}
    windows = convolution_input_generator(attributes, images)
    return windows.reshape(
        -1, layer.kernel[0] * layer.kernel[1], layer.channel_fold, images.shape[-1] // layer.channel_fold
    )


def last_inputs(layer: SwgParams) -> Integers:
    """Return the last input beat that each output beat holds, (beats,)."""
    beats = layer.image[0] * layer.image[1] * layer.channel_fold
    numbers = np.arange(beats).reshape(1, *layer.image, layer.channel_fold)
    order = in_stream_order(layer, windows_of(layer, numbers))
    return np.asarray(order.max(axis=2) if layer.registers_window else order).reshape(-1)


@cache
def interval(layer: SwgParams) -> int:
    """Return the clock cycles from one frame to the next, which begins once the last one is both read and sent."""
    beats = layer.image[0] * layer.image[1] * layer.channel_fold
    wanted = last_inputs(layer)
    if layer.registers_window:
        # A beat is read in each cycle; a window that the last one completes leaves in a cycle of its own.
        return beats + int(wanted[-1] == beats - 1)
    return _buffered(wanted, _block(layer), layer.buffer_words, beats)


def _block(layer: SwgParams) -> int:
    """Return the output beats after which the buffer forgets: a window, or that of SIMD channels."""
    window = layer.kernel[0] * layer.kernel[1]
    return window if layer.depthwise else window * layer.channel_fold


def _buffered(wanted: Integers, block: int, words: int, beats: int) -> int:
    """Return the interval with an addressed buffer.

    Output k is fetched once input ``wanted[k]`` is in the buffer. Input j is read once the one in its place, j - words,
    lies in front of both the next fetch and the window after the current one.

    Args:
        wanted: input beat per output beat.
        block: output beats per window.
        words: size of the buffer.
        beats: input beats.
    """
    fetches = np.arange(len(wanted))
    following = np.append(wanted[block::block], np.iinfo(np.int64).max)
    kept_from = np.where(fetches % block == 0, wanted, np.minimum(wanted, following[fetches // block]))
    # Fetches that must be done before input j is read, and the first fetch that waits for it.
    before = np.searchsorted(np.maximum.accumulate(kept_from), np.arange(beats) - words, side="right")
    waiting = np.searchsorted(np.maximum.accumulate(wanted), np.arange(beats), side="left")
    # Between fetches that wait for an input there is one per cycle: fetch k in cycle k + delay.
    starts, delays, current = [0], [0], 0
    read = -1
    for done_before, first_waiting in zip(before.tolist(), waiting.tolist(), strict=True):
        read += 1
        if done_before:
            last = done_before - 1
            while current + 1 < len(starts) and starts[current + 1] <= last:
                current += 1
            read = max(read, last + delays[current] + 1)
        if first_waiting < len(wanted) and read + 1 > first_waiting + delays[-1]:
            starts.append(first_waiting)
            delays.append(read + 1 - first_waiting)
    return max(len(wanted) - 1 + delays[-1] + 2, read + 1)
