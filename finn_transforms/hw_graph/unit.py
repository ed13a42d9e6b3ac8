"""What matrix-vector and vector-vector units have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qonnx.core.datatype import BaseDataType

from finn_transforms.hw_graph.attributes import ImplStyle, NodeReader


@dataclass(frozen=True, kw_only=True)
class UnitParams:
    """Weights that are kept in the layer and multiplied with its inputs, PE * SIMD products per cycle.

    Attributes:
        name: Name of the node.
        simd: Inputs per cycle.
        pe: Outputs per cycle.
        input_type: Data type of the inputs.
        weight_type: Data type of the weights.
        accumulator_type: Data type of the accumulator, P bits.
        output_type: Data type of the outputs; the accumulator's unless the layer has thresholds.
        threshold_steps: Thresholds per channel inside the layer, 0 where it has none (``noActivation``).
        mem_mode: Where the weights are kept, FINN's ``mem_mode``.
        ram_style: Memory they are kept in: ``auto``, ``block``, ``distributed`` or ``ultra``.
        style: ``hls`` or ``rtl`` once specialized, else empty.
        dsp: Whether the products are computed in DSP slices: ``resType`` says ``dsp``, or the RTL variant is used,
            which FINN builds on DSP slices only; with ``lut`` it is the unit of `finn_transforms.hw`.
        xnor: Whether bits stand for -1 and 1 (``binaryXnorMode``).
    """

    name: str
    simd: int
    pe: int
    input_type: BaseDataType
    weight_type: BaseDataType
    accumulator_type: BaseDataType
    output_type: BaseDataType
    threshold_steps: int = 0
    mem_mode: str = "internal_decoupled"
    ram_style: str = "auto"
    style: ImplStyle = ""
    dsp: bool = False
    xnor: bool = False

    @staticmethod
    def fields(reader: NodeReader) -> dict[str, Any]:
        """Read the attributes of a node that are named here, by name."""
        return {
            "name": reader.name,
            "simd": reader.integer("SIMD", 1),
            "pe": reader.integer("PE"),
            "input_type": reader.data_type("inputDataType"),
            "weight_type": reader.data_type("weightDataType"),
            "accumulator_type": reader.data_type("accDataType", "INT32"),
            "output_type": reader.data_type("outputDataType"),
            "threshold_steps": reader.threshold_steps(),
            "mem_mode": reader.text("mem_mode", "internal_decoupled"),
            "ram_style": reader.text("ram_style", "auto"),
            "style": reader.style,
            "xnor": bool(reader.integer("binaryXnorMode", 0)),
            "dsp": _is_on_dsp_slices(reader),
        }

    @property
    def accumulator_bits(self) -> int:
        """P."""
        return int(self.accumulator_type.bitwidth())


def _is_on_dsp_slices(reader: NodeReader) -> bool:
    resources = reader.text("resType", "auto")
    return resources == "dsp" or (resources != "lut" and reader.style == "rtl")
