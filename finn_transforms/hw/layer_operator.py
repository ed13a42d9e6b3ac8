"""Operators of our own layers: shapes, folding and cycles are those of `finn_transforms.hw_graph`.

Imports FINN; see `finn_transforms.hw.registration`.
"""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from typing import Any

from qonnx.core.datatype import BaseDataType
from qonnx.core.modelwrapper import ModelWrapper

from finn_transforms.hw.node_unit import layer_of_node
from finn_transforms.hw.unit_operator import UnitOperator
from finn_transforms.hw_graph import MvauParams

_WEIGHTS = 1
"""Which input the weights are."""


class LayerOperator(UnitOperator):
    """An operator whose shapes, folding and cycles are those of `finn_transforms.hw_graph`."""

    def _layer(self) -> Any:
        return layer_of_node(self.onnx_node, {})[0]

    @abstractmethod
    def get_folded_input_shape(self, ind: int = 0) -> list[int]:
        """Return the shape of an input, beat by beat."""

    @abstractmethod
    def get_folded_output_shape(self, ind: int = 0) -> list[int]:
        """Return the shape of the output, beat by beat."""

    def get_normal_input_shape(self, ind: int = 0) -> list[int]:  # noqa: ARG002 - FINN's signature, as below
        """Return the shape of the input."""
        return list(self._layer().input_shape)

    def get_normal_output_shape(self, ind: int = 0) -> list[int]:  # noqa: ARG002
        """Return the shape of the output."""
        return list(self._layer().output_shape)

    def get_instream_width(self, ind: int = 0) -> int:
        """Return the bits of a beat; weights are kept inside and have none."""
        if ind == _WEIGHTS:
            return 0
        return int(self.get_folded_input_shape(ind)[-1] * self.get_input_datatype(ind).bitwidth())

    def get_outstream_width(self, ind: int = 0) -> int:
        """Return the bits of a beat."""
        return int(self.get_folded_output_shape(ind)[-1] * self.get_output_datatype(ind).bitwidth())

    def get_exp_cycles(self) -> int:
        """Return clock cycles per frame."""
        return int(self._layer().cycles())

    def infer_node_datatype(self, model: ModelWrapper) -> None:
        """Annotate the output.

        Raises:
            ValueError: the input has another data type than the layer reads.
        """
        found, expected = model.get_tensor_datatype(self.onnx_node.input[0]), self.get_input_datatype(0)
        if found != expected:
            raise ValueError(
                f"{self.onnx_node.name}: expected {expected.name} as input, found {found.name}; lower the model again"
            )
        model.set_tensor_datatype(self.onnx_node.output[0], self.get_output_datatype(0))


class MatrixOperator(LayerOperator):
    """Multiplies vectors with a matrix that is kept inside."""

    def get_nodeattr_types(self) -> dict[str, Any]:
        """Return the attributes with their types and defaults."""
        return {
            **super().get_nodeattr_types(),
            "MW": ("i", True, 0),
            "MH": ("i", True, 0),
            "SIMD": ("i", True, 0),
            "PE": ("i", True, 0),
            "numInputVectors": ("ints", False, [1]),
            "inputDataType": ("s", True, ""),
            "weightDataType": ("s", True, ""),
            "outputDataType": ("s", True, ""),
            "accDataType": ("s", False, "INT32"),
            "ActVal": ("i", False, 0),
            "noActivation": ("i", False, 1, {1}),
            "mem_mode": ("s", False, "internal_decoupled", {"internal_decoupled"}),
            "ram_style": ("s", False, "auto", {"auto", "block", "distributed", "ultra"}),
        }

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:
        """Return the type of an element of the input stream, or of a weight."""
        layer: MvauParams = self._layer()
        return layer.weight_type if ind == _WEIGHTS else layer.stream_type

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:  # noqa: ARG002
        """Return the type of a sum."""
        layer: MvauParams = self._layer()
        return layer.output_type

    def get_accumulator_datatype(self) -> BaseDataType:
        """Return the type of the accumulator."""
        layer: MvauParams = self._layer()
        return layer.accumulator_type

    def get_normal_input_shape(self, ind: int = 0) -> list[int]:
        """Return the shape of the input, or of the weights."""
        layer: MvauParams = self._layer()
        return [layer.mw, layer.mh] if ind == _WEIGHTS else list(layer.input_shape)

    def get_folded_input_shape(self, ind: int = 0) -> list[int]:
        """Return (..., MW / SIMD, elements of a beat), or the weights word by word."""
        layer: MvauParams = self._layer()
        if ind == _WEIGHTS:
            return [layer.weight_words, layer.simd * layer.pe]
        return [*layer.num_vectors, layer.synapse_fold, layer.input_words]

    def get_folded_output_shape(self, ind: int = 0) -> list[int]:  # noqa: ARG002
        """Return (..., MH / PE, PE)."""
        layer: MvauParams = self._layer()
        return [*layer.num_vectors, layer.neuron_fold, layer.pe]

    def get_op_and_param_counts(self) -> dict[str, int]:
        """Return products of an input and a weight per frame, and weights."""
        layer: MvauParams = self._layer()
        bits = int(layer.weight_type.bitwidth())
        narrow, wide = sorted((bits, int(layer.input_type.bitwidth())))
        weights = layer.mw * layer.mh
        return {f"op_mac_{narrow}bx{wide}b": weights * prod(layer.num_vectors), f"param_weight_{bits}b": weights}
