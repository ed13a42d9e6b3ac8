"""QONNX's quantizers in float64, by operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from brevitas_ext.qonnx_ops.bipolar_quant import BipolarQuant
from brevitas_ext.qonnx_ops.quant import Quant
from brevitas_ext.qonnx_ops.rounding import Rounding
from brevitas_ext.qonnx_ops.sparq import Sparq
from brevitas_ext.qonnx_ops.trunc import Trunc

Array = NDArray[Any]
Attributes = Mapping[str, Any]
QuantizerOperator: TypeAlias = Quant | BipolarQuant | Trunc


def quantizer_operator(op_type: str, attributes: Attributes) -> QuantizerOperator:
    """Return the operator that a quantizer node's attributes describe.

    Raises:
        ValueError: the rounding mode is unknown.
    """
    if op_type == "BipolarQuant":
        return BipolarQuant()
    if op_type == "Trunc":
        return Trunc(
            signed=bool(attributes.get("signed", 1)),
            narrow=bool(attributes.get("narrow", 0)),
            rounding=Rounding.parse(attributes.get("rounding_mode", "FLOOR")),
        )
    return Quant(
        signed=bool(attributes["signed"]),
        narrow=bool(attributes["narrow"]),
        rounding=Rounding.parse(attributes.get("rounding_mode", "ROUND")),
    )


def sparq_operator(attributes: Attributes) -> Sparq:
    """Return the operator that a ``Sparq`` node's attributes describe.

    Raises:
        KeyError: one is missing.
        ValueError: one has no meaning.
    """
    return Sparq.from_attributes({**{"rounding": 1, "overflow": "saturate", "pairs": 1, "axis": 1}, **attributes})


def _sparq(attributes: Attributes, x: Array, scale: Array) -> Array:
    return sparq_operator(attributes).evaluate(x, scale)


def _function(op_type: str) -> Callable[..., Array]:
    def evaluate(attributes: Attributes, x: Array, *parameters: Array) -> Array:
        operator = quantizer_operator(op_type, attributes)
        scaled = operator.pre_rounding(x, parameters)
        return operator.dequantize(operator.to_integers(scaled, parameters), parameters, np.float64)

    return evaluate


def _bipolar(_attributes: Attributes, x: Array, scale: Array) -> Array:
    # Scaling first would make a tiny negative value zero, which counts as positive.
    return np.where(x >= 0, scale, -scale)


QUANTIZERS: dict[str, Callable[..., Array]] = {
    "BipolarQuant": _bipolar,
    "Sparq": _sparq,
    **{op_type: _function(op_type) for op_type in ("IntQuant", "Quant", "Trunc")},
}
