"""Exact integer passes from QONNX to FINN's hardware layers, proven against the accumulator contract of the file.

Everything here is loaded on first use, so that importing the package is instant. Nothing in it needs torch or Brevitas.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finn_transforms.passes import (
        CheckAccumulatorContract,
        ExtractIntegers,
        InferMVAU,
        InferThresholding,
        MinimizeAccumulators,
    )

    __version__: str

__all__ = [
    "CheckAccumulatorContract",
    "ExtractIntegers",
    "InferMVAU",
    "InferThresholding",
    "MinimizeAccumulators",
    "__version__",
]

_MODULE_OF = {
    "CheckAccumulatorContract": "finn_transforms.passes",
    "ExtractIntegers": "finn_transforms.passes",
    "InferMVAU": "finn_transforms.passes",
    "InferThresholding": "finn_transforms.passes",
    "MinimizeAccumulators": "finn_transforms.passes",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return version("brevitas-finn-ext")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
