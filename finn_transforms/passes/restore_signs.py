"""Undoes what FINN's minimal weight types do to weights of one bit."""

from __future__ import annotations

import onnx_ir as ir

from finn_transforms.analysis.accumulators import UNITS
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import is_hardware, layer_type, nodes_of
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._retype import set_type
from finn_transforms.passes._units import UNSIGNED_BITS

_SIGNS = "BIPOLAR"


class RestoreSigns(HardwarePass):
    """Let each unit that multiplies take its weights for signs where their tensor is annotated so, and only there.

    Before::

        MVAU(x, W): weightDataType = INT2, W annotated BIPOLAR

    After::

        MVAU(x, W): weightDataType = BIPOLAR, W annotated BIPOLAR

    FINN's ``MinimizeWeightBitWidth`` goes by the lowest and highest weight: it gives weights of -1 and 1 two bits, and
    weights of -1 and 0, or of nothing but -1, the type of signs.  Between bipolar inputs and weights a unit counts
    equal bits, otherwise it adds products, so that this changes what the unit computes; and a weight of 0 is no sign.

    It also gives weights of 0 and 1 one unsigned bit, which FINN's HLS units refuse; they get two.

    The accumulator follows with `MinimizeAccumulators`.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Restore the type of the weights of every unit."""
        for node in nodes_of(model):
            if not is_hardware(node) or layer_type(node) not in UNITS or node.inputs[1] is None:
                continue
            attributes = attributes_of(node)
            annotated, used = integer_datatype(node.inputs[1]), attributes.get("weightDataType")
            if annotated is None or attributes.get("binaryXnorMode", 0):
                continue
            if used == "BINARY":
                annotated = UNSIGNED_BITS
            elif (annotated.name == _SIGNS) == (used == _SIGNS):
                continue
            set_type(node, "weightDataType", annotated)
            self.note(result, node, f"weights {annotated.name} again, not {used}")
