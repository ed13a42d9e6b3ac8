"""Inserts FINN's Thresholding layers, and the difference of two of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.datatypes import smallest_datatype
from finn_transforms.analysis.matching import static_shape
from finn_transforms.analysis.thresholds import Thresholds, threshold_datatype
from finn_transforms.passes._edit import (
    Operator,
    Output,
    add_constant,
    graph_of,
    insert_node,
    insert_transpose,
    integer_type_of,
)


@dataclass(frozen=True)
class Layers:
    """Inserts layers that stand for a quantizer, channels last inside.

    Attributes:
        quantizer: node to insert in front of.
        source: the accumulator.
        channel_axis: its axis of channels.
    """

    quantizer: ir.Node
    source: ir.Value
    channel_axis: int

    @property
    def name(self) -> str:
        """What the layers are named after."""
        return self.quantizer.name or str(self.quantizer.outputs[0].name)

    def insert_count(self, thresholds: Thresholds) -> ir.Value:
        """Insert a count of thresholds and return the value in the source's layout."""
        counted = self._count(self._stream(), thresholds, integer_type_of(self.quantizer.outputs[0]), "")
        return self._restored(counted)

    def insert_difference(self, rising: Thresholds, falling: Thresholds) -> ir.Value:
        """Insert the first count minus the second and return the value in the source's layout.

        In front of a bipolar output the difference is 0 or 1, and a third layer with the threshold 1 makes it -1 or 1.
        """
        stream = self._stream()
        first = self._count(stream, rising, count_datatype(rising), "_rising")
        second = self._count(stream, falling, count_datatype(falling), "_falling")
        shape, output_type = static_shape(stream), integer_type_of(self.quantizer.outputs[0])
        is_bipolar = output_type.name == "BIPOLAR"
        difference_type = count_range_datatype(-1, 1) if is_bipolar else output_type
        operator = Operator.hardware(
            "ElementwiseSub",
            lhs_shape=list(shape),
            rhs_shape=list(shape),
            out_shape=list(shape),
            lhs_dtype=count_datatype(rising).name,
            rhs_dtype=count_datatype(falling).name,
            out_dtype=difference_type.name,
            lhs_style="input",
            rhs_style="input",
        )
        output = Output(f"ElementwiseSub_{self.name}", shape, difference_type)
        difference = insert_node(self.quantizer, operator, [first, second], output)
        if is_bipolar:
            one = Thresholds(0, np.ones((rising.values.shape[0], 1), dtype=np.int64))
            difference = self._count(difference, one, output_type, "")
        return self._restored(difference)

    def _count(self, stream: ir.Value, thresholds: Thresholds, output_type: BaseDataType, suffix: str) -> ir.Value:
        values, input_type = thresholds.values, integer_type_of(stream)
        value_type = threshold_datatype(values, input_type)
        name = f"{self.quantizer.outputs[0].name}{suffix}_thresholds"
        parameters = add_constant(graph_of(self.quantizer), name, values, value_type)
        shape = static_shape(stream)
        operator = Operator.hardware(
            "Thresholding",
            NumChannels=values.shape[0],
            PE=1,
            numSteps=values.shape[1],
            inputDataType=input_type.name,
            weightDataType=value_type.name,
            outputDataType=output_type.name,
            numInputVectors=list(shape[:-1]),
            ActVal=thresholds.bias,
        )
        output = Output(f"Thresholding_{self.name}{suffix}", shape, output_type)
        return insert_node(self.quantizer, operator, [stream, parameters], output)

    def _permutation(self) -> list[int]:
        rank = len(static_shape(self.source))
        return [axis for axis in range(rank) if axis != self.channel_axis] + [self.channel_axis]

    def _stream(self) -> ir.Value:
        if self.channel_axis == len(static_shape(self.source)) - 1:
            return self.source
        return insert_transpose(self.quantizer, self.source, self._permutation(), f"{self.source.name}_nhwc")

    def _restored(self, counted: ir.Value) -> ir.Value:
        if self.channel_axis == len(static_shape(self.source)) - 1:
            return counted
        inverse = np.argsort(self._permutation()).tolist()
        return insert_transpose(self.quantizer, counted, inverse, f"{self.quantizer.outputs[0].name}_nchw")


def count_datatype(thresholds: Thresholds) -> BaseDataType:
    """Return the data type of a layer that counts these thresholds."""
    return count_range_datatype(thresholds.bias, thresholds.bias + thresholds.values.shape[1])


def count_range_datatype(low: int, high: int) -> BaseDataType:
    """Return the narrowest data type of counts; signed ones have two bits or more."""
    return smallest_datatype(IntRange(min(low, -2) if low < 0 else low, high))
