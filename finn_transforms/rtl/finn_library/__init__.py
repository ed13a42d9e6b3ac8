"""Layers whose hardware is FINN's own RTL library, taken from the installed package at run time, never copied."""

from finn_transforms.rtl.finn_library.mvu import FinnMvu
from finn_transforms.rtl.finn_library.padding import FinnPadding
from finn_transforms.rtl.finn_library.swg import FinnSwg
from finn_transforms.rtl.finn_library.thresholding import FinnThresholding

__all__ = ["FinnMvu", "FinnPadding", "FinnSwg", "FinnThresholding"]
