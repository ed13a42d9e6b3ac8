"""FINN operators of SPARQ's layers: the encoder, and the matrix-vector unit that reads the code.

``SparqEncoder`` and ``SparqMVAU`` are what the passes make, ``..._rtl`` what FINN's ``SpecializeLayers`` makes of them:
the units of `finn_transforms.rtl`.  Imports FINN; see `finn_transforms.hw.registration`.
"""

from __future__ import annotations

from typing import Any

from finn.custom_op.fpgadataflow.rtlbackend import RTLBackend
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith.sparq import ACTIVATION_BITS
from finn_transforms.analysis.datatypes import named
from finn_transforms.hw.layer_operator import LayerOperator, MatrixOperator
from finn_transforms.hw_graph import SparqEncoderParams

_WINDOWS: dict[str, tuple[Any, ...]] = {
    "bits": ("i", True, 4),
    "shifts": ("ints", True, [0, 1, 2, 3, 4]),
    "rounding": ("i", False, 1),
    "overflow": ("s", False, "saturate", {"saturate", "carry"}),
    "pairs": ("i", False, 1),
}


class SparqEncoder(LayerOperator):
    """Encodes 8-bit activations, before any windows are cut."""

    def get_nodeattr_types(self) -> dict[str, Any]:
        """Return the attributes with their types and defaults."""
        return {
            **super().get_nodeattr_types(),
            **_WINDOWS,
            "NumChannels": ("i", True, 0),
            "SIMD": ("i", True, 0),
            "numInputVectors": ("ints", False, [1]),
            "inputDataType": ("s", True, ""),
            "outputDataType": ("s", True, ""),
        }

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:  # noqa: ARG002
        """Return the type of an activation."""
        return named(f"UINT{ACTIVATION_BITS}")

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:  # noqa: ARG002
        """Return the type of a word of the code."""
        layer: SparqEncoderParams = self._layer()
        return layer.output_type

    def get_folded_input_shape(self, ind: int = 0) -> list[int]:  # noqa: ARG002
        """Return (..., C / SIMD, SIMD)."""
        layer: SparqEncoderParams = self._layer()
        return [*layer.num_vectors, layer.channels // layer.simd, layer.simd]

    def get_folded_output_shape(self, ind: int = 0) -> list[int]:  # noqa: ARG002
        """Return (..., C / SIMD, words of a beat)."""
        layer: SparqEncoderParams = self._layer()
        return [*layer.num_vectors, layer.channels // layer.simd, layer.words]


class SparqMVAU(MatrixOperator):
    """Multiplies vectors in SPARQ's code with a matrix that is kept inside."""

    def get_nodeattr_types(self) -> dict[str, Any]:
        """Return the attributes with their types and defaults."""
        return {**super().get_nodeattr_types(), **_WINDOWS}


class SparqEncoder_rtl(SparqEncoder, RTLBackend):  # noqa: N801 - operators have the name of their class
    """The encoder of `finn_transforms.rtl`."""


class SparqMVAU_rtl(SparqMVAU, RTLBackend):  # noqa: N801
    """The matrix-vector unit of `finn_transforms.rtl` that reads the code."""


GENERIC: tuple[type[Any], ...] = (SparqEncoder, SparqMVAU)
SPECIALIZED: tuple[type[Any], ...] = (SparqEncoder_rtl, SparqMVAU_rtl)
