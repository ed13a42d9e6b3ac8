"""Hardware layers in SystemVerilog: parameter objects that give golden result, source text and cycles."""

from importlib import import_module
from typing import TYPE_CHECKING

from finn_transforms.rtl.streams import Stream
from finn_transforms.rtl.unit import RtlUnit

if TYPE_CHECKING:
    from finn_transforms.rtl.concat import Concat
    from finn_transforms.rtl.duplicate import Duplicate
    from finn_transforms.rtl.elementwise import Elementwise
    from finn_transforms.rtl.fifo import Fifo
    from finn_transforms.rtl.finn_library import FinnMvu, FinnPadding, FinnSwg, FinnThresholding
    from finn_transforms.rtl.global_sum import GlobalSum
    from finn_transforms.rtl.memory import ReadOnlyMemory
    from finn_transforms.rtl.mvau_lut import MvauLut
    from finn_transforms.rtl.pixel_padding import PixelPadding
    from finn_transforms.rtl.pool import Pool
    from finn_transforms.rtl.shift_mvau import ShiftMvau
    from finn_transforms.rtl.sparq_encoder import SparqEncoder
    from finn_transforms.rtl.sparq_mvau import SparqMvau
    from finn_transforms.rtl.split import Split
    from finn_transforms.rtl.thresholding import Thresholding
    from finn_transforms.rtl.upsample import Upsample
    from finn_transforms.rtl.vvau_lut import VvauLut
    from finn_transforms.rtl.width_converter import WidthConverter

__all__ = [
    "Concat",
    "Duplicate",
    "Elementwise",
    "Fifo",
    "FinnMvu",
    "FinnPadding",
    "FinnSwg",
    "FinnThresholding",
    "GlobalSum",
    "MvauLut",
    "PixelPadding",
    "Pool",
    "ReadOnlyMemory",
    "RtlUnit",
    "ShiftMvau",
    "SparqEncoder",
    "SparqMvau",
    "Split",
    "Stream",
    "Thresholding",
    "Upsample",
    "VvauLut",
    "WidthConverter",
]

_MODULE_OF = {
    "Concat": "finn_transforms.rtl.concat",
    "Duplicate": "finn_transforms.rtl.duplicate",
    "Elementwise": "finn_transforms.rtl.elementwise",
    "Fifo": "finn_transforms.rtl.fifo",
    "FinnMvu": "finn_transforms.rtl.finn_library.mvu",
    "FinnPadding": "finn_transforms.rtl.finn_library.padding",
    "FinnSwg": "finn_transforms.rtl.finn_library.swg",
    "FinnThresholding": "finn_transforms.rtl.finn_library.thresholding",
    "GlobalSum": "finn_transforms.rtl.global_sum",
    "MvauLut": "finn_transforms.rtl.mvau_lut",
    "PixelPadding": "finn_transforms.rtl.pixel_padding",
    "Pool": "finn_transforms.rtl.pool",
    "ReadOnlyMemory": "finn_transforms.rtl.memory",
    "ShiftMvau": "finn_transforms.rtl.shift_mvau",
    "SparqEncoder": "finn_transforms.rtl.sparq_encoder",
    "SparqMvau": "finn_transforms.rtl.sparq_mvau",
    "Split": "finn_transforms.rtl.split",
    "Thresholding": "finn_transforms.rtl.thresholding",
    "Upsample": "finn_transforms.rtl.upsample",
    "VvauLut": "finn_transforms.rtl.vvau_lut",
    "WidthConverter": "finn_transforms.rtl.width_converter",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
