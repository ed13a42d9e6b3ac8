"""Hardware layers in SystemVerilog: parameter objects that give golden result, source text and cycles."""

from importlib import import_module
from typing import TYPE_CHECKING

from finn_transforms.rtl.streams import Stream
from finn_transforms.rtl.unit import RtlUnit

if TYPE_CHECKING:
    from finn_transforms.rtl.duplicate import Duplicate
    from finn_transforms.rtl.fifo import Fifo
    from finn_transforms.rtl.thresholding import Thresholding
    from finn_transforms.rtl.width_converter import WidthConverter

__all__ = [
    "Duplicate",
    "Fifo",
    "RtlUnit",
    "Stream",
    "Thresholding",
    "WidthConverter",
]

_MODULE_OF = {
    "Duplicate": "finn_transforms.rtl.duplicate",
    "Fifo": "finn_transforms.rtl.fifo",
    "Thresholding": "finn_transforms.rtl.thresholding",
    "WidthConverter": "finn_transforms.rtl.width_converter",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
