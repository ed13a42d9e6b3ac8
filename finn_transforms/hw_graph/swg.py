"""The sliding window generator (SWG, FINN's ConvolutionInputGenerator)."""

from __future__ import annotations

from dataclasses import dataclass

from qonnx.core.datatype import BaseDataType

from finn_transforms.hw_graph.attributes import HwGraphError, NodeReader, require_divisor


@dataclass(frozen=True, kw_only=True)
class SwgParams:
    """Turns an image (1, H, W, C) into one row of KH * KW * C pixels per output position.

    Attributes:
        name: Name of the node.
        kernel: KH, KW.
        channels: Channels C of the image.
        image: H, W of the image, padding included.
        output: OH, OW.
        stride: Vertical and horizontal.
        dilation: Vertical and horizontal.
        simd: Channels per cycle; divides `channels`.
        data_type: Data type of the pixels.
        depthwise: Whether the channels stay apart (in front of a Pool): channel fold first, then the window.
        parallel_window: Whether the whole window leaves in one cycle; needs SIMD = C unless depthwise.
        ram_style: Memory of the line buffer: ``auto``, ``block``, ``distributed`` or ``ultra``.

    Raises:
        HwGraphError: SIMD does not divide the channels, or the window does not fit the image.
    """

    name: str
    kernel: tuple[int, int]
    channels: int
    image: tuple[int, int]
    output: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    simd: int
    data_type: BaseDataType
    depthwise: bool = False
    parallel_window: bool = False
    ram_style: str = "distributed"

    def __post_init__(self) -> None:
        require_divisor(self.name, ("SIMD", self.simd), ("IFMChannels", self.channels))
        if any(extent > size for extent, size in zip(self.extent, self.image, strict=True)):
            raise HwGraphError(
                f"Layer {self.name!r}: expected a window of at most the image {self.image}, found {self.extent}. "
                "Check the padding in front of the layer."
            )
        if self.parallel_window and not self.depthwise and self.kernel != (1, 1) and self.simd != self.channels:
            raise HwGraphError(
                f"Layer {self.name!r}: expected SIMD = IFMChannels = {self.channels} with parallel_window, "
                f"found SIMD = {self.simd}. Unfold the channels first, or leave parallel_window at 0."
            )

    @classmethod
    def from_reader(cls, reader: NodeReader) -> SwgParams:
        """Read the node."""
        return cls(
            name=reader.name,
            kernel=reader.pair("ConvKernelDim"),
            channels=reader.integer("IFMChannels"),
            image=reader.pair("IFMDim"),
            output=reader.pair("OFMDim"),
            stride=reader.pair("Stride"),
            dilation=reader.pair("Dilation"),
            simd=reader.integer("SIMD"),
            data_type=reader.data_type("inputDataType"),
            depthwise=reader.integer("depthwise", 0) == 1,
            parallel_window=reader.integer("parallel_window", 0) == 1,
            ram_style=reader.text("ram_style", "distributed"),
        )

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width that the window covers, dilation included."""
        height, width = ((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return height, width

    @property
    def channel_fold(self) -> int:
        """Cycles per pixel, C / SIMD."""
        return self.channels // self.simd

    @property
    def registers_window(self) -> bool:
        """Whether the window is held in registers (FINN's ``parallel`` style) instead of an addressed buffer."""
        window = self.kernel[0] * self.kernel[1]
        return window == 1 or self.parallel_window

    @property
    def pixels_between_first_and_last(self) -> int:
        """Pixels from the first of a window to its last, both included."""
        return (self.extent[0] - 1) * self.image[1] + self.extent[1]

    @property
    def buffer_words(self) -> int:
        """Words of SIMD pixels that the addressed buffer of FINN's RTL holds, where the window is not in registers.

        The pixels from the first to the last of a window; with strides, also those that may be read ahead meanwhile.
        """
        window = self.kernel[0] * self.kernel[1]
        ahead = max(0, self.stride[1] - 1 - window) + max(0, (self.stride[0] - 1) * self.image[1] - window)
        return (self.pixels_between_first_and_last + ahead) * self.channel_fold

    @property
    def refusal(self) -> str | None:
        """What FINN 1.6.1's RTL generator expects and does not find here, None where it builds the layer.

        Two faults it does not notice: line buffers of one word delay by two, and those of none by one, so that windows
        in registers come out wrong; and pixels behind the last window are counted modulo what the windows cover, so
        that it sends too many windows, or stops, where at least half of the image is left.
        """
        (height, width), (_, extent), fold = self.image, self.extent, self.channel_fold
        if any(step > size for step, size in zip(self.stride, self.image, strict=True)):
            return f"strides of at most the image {self.image}, found {self.stride}; crop the image"
        covered = [
            span + (count - 1) * step for span, count, step in zip(self.extent, self.output, self.stride, strict=True)
        ]
        if any(size >= 2 * part for size, part in zip(self.image, covered, strict=True)):
            return (
                f"windows that cover more than half of the image {self.image}, found {tuple(covered)}; crop the image"
            )
        line = (width - extent + width * (self.dilation[0] - 1)) * fold
        if not self.registers_window:
            if refusal := self._buffer_refusal():
                return refusal
        elif self.kernel[0] > 1 and height > 1 and width > 1 and line < 2:
            return f"line buffers of at least 2 words with whole windows, found {line}; leave parallel_window at 0"
        # The innermost loop that repeats begins with its first step done.
        loops = [*self.output, fold] if self.registers_window else [*self.output, *self.kernel, fold]
        loops[max((place for place, size in enumerate(loops) if size > 1), default=0)] -= 1
        if max(loops) <= 1:
            return "a loop of more than two steps, found fewer in all; fold the layer less or more"
        return None

    def _buffer_refusal(self) -> str | None:
        """Refuse jumps that are longer than the addressed buffer."""
        (_, width), (_, extent), fold = self.image, self.extent, self.channel_fold
        window = self.pixels_between_first_and_last * fold
        unread = width - (extent + (self.output[1] - 1) * self.stride[1])
        row = (unread + extent + (self.stride[0] - 1) * width) * fold + 1 - window
        if max(abs(row), abs(self.stride[1] * fold + 1 - window)) > self.buffer_words:
            return f"a jump to the next row within its buffer of {self.buffer_words} words, found one of {row}"
        return None

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of the input, (1, H, W, C)."""
        return (1, *self.image, self.channels)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """Shape of the output, (1, OH, OW, KH * KW * C)."""
        return (1, *self.output, self.kernel[0] * self.kernel[1] * self.channels)

    def cycles(self) -> int:
        """Return clock cycles per frame as FINN's RTL generator takes them."""
        fold = self.channel_fold
        if self.registers_window:
            return self.image[0] * self.image[1] * fold + 2
        if 1 in self.image:
            return self._cycles_1d()
        width, outputs = self.image[1], self.output[1]
        write = outputs * self.kernel[0] * self.kernel[1] * fold
        read = self.stride[1] * width * fold
        per_row = max(write, read)
        # A depthwise window is sent once per channel fold: its last pixels wait for that at each stride.
        stalls = outputs * (self.stride[1] - 1) * (fold - 1) if self.depthwise else 0
        skipped_rows = (self.stride[0] - 1) * width * fold if self.depthwise else 0
        return self.pixels_between_first_and_last * fold + self.output[0] * (per_row + stalls) + skipped_rows

    def _cycles_1d(self) -> int:
        along = 0 if self.image[1] == 1 else 1
        size, outputs, kernel, stride = (pair[along] for pair in (self.image, self.output, self.kernel, self.stride))
        fold = self.channel_fold
        sending = outputs * kernel * fold
        if not self.depthwise:
            return sending + 2
        # Frames do not overlap in the buffer: the last window is replayed for each remaining channel fold.
        reading = size * fold + fold * (kernel - 1) * (stride - 1)
        return max(sending + (fold - 1) * kernel, reading) + 2
