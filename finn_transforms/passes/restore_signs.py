"""Undoes what FINN's minimal weight types do to the signs of weights."""

from __future__ import annotations

import onnx_ir as ir
from qonnx.core.datatype import BaseDataType

from finn_transforms.analysis.accumulators import UNITS
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.datatypes import integer_datatype, named, range_of, smallest_datatype
from finn_transforms.analysis.matching import is_hardware, layer_type, nodes_of
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import input_of
from finn_transforms.passes._retype import set_type

_SIGNS = "BIPOLAR"


class RestoreSigns(HardwarePass):
    """Let each unit that multiplies take its weights for signs, or as signed, where it has to, and only there.

    Before::

        MVAU(x, W): weightDataType = INT2, W annotated BIPOLAR

    After::

        MVAU(x, W): weightDataType = BIPOLAR, W annotated BIPOLAR

    FINN's ``MinimizeWeightBitWidth`` goes by the lowest and highest weight: it gives weights of -1 and 1 two bits, and
    weights of -1 and 0, or of nothing but -1, the type of signs.  Between bipolar inputs and weights a unit counts
    equal bits, otherwise it adds products, so that this changes what the unit computes; and a weight of 0 is no sign.

    It also makes weights unsigned where none is negative, and FINN's RTL units take every weight for a signed one; its
    HLS units refuse single unsigned bits.  Both get a sign again.

    The accumulator follows with `MinimizeAccumulators`.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Restore the type of the weights of every unit."""
        for node in nodes_of(model):
            if not is_hardware(node) or layer_type(node) not in UNITS:
                continue
            used, wanted = attributes_of(node)["weightDataType"], _wanted_type(node, input_of(node, 1))
            if wanted is not None and wanted.name != used:
                set_type(node, "weightDataType", wanted)
                self.note(result, node, f"weights {wanted.name} again, not {used}")


def _wanted_type(node: ir.Node, weights: ir.Value) -> BaseDataType | None:
    """Return the type that a unit's weights should have, None where FINN's is as good."""
    attributes, annotated = attributes_of(node), integer_datatype(weights)
    if annotated is None or attributes.get("binaryXnorMode", 0):
        return None
    used = named(attributes["weightDataType"])
    if _SIGNS in {annotated.name, used.name}:
        return annotated
    # Its HLS units refuse single unsigned bits, its RTL units unsigned weights of any width.
    if not used.signed() and (node.op_type.endswith("_rtl") or used.bitwidth() == 1):
        return smallest_datatype(range_of(used), signed=True)
    return None
