"""Hardware layers in SystemVerilog: parameter objects that give golden result, source text and cycles."""

from finn_transforms.rtl.streams import Stream
from finn_transforms.rtl.unit import RtlUnit

__all__ = ["RtlUnit", "Stream"]
