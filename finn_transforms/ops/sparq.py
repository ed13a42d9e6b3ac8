"""Golden functions of the layers that encode activations for SPARQ and multiply them in code, channels last.

The code is that of `brevitas_ext.arith.sparq`: a word per pair of channels, or per activation in a format without
pairs.  The word of zeros is 0, so that padding with zeros stays padding in code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from brevitas_ext.arith.sparq import SparqFormat
from brevitas_ext.arith.sparq_code import decode, encode, pack, unpack
from brevitas_ext.qonnx_ops.sparq import Sparq
from finn_transforms.ops.quantizers import sparq_operator

Array = NDArray[Any]
Attributes = Mapping[str, Any]

ENCODER: Final = "SparqEncoder"
"""The layer that encodes a stream of activations."""
UNIT: Final = "SparqMVAU"
"""The matrix-vector unit that reads the code."""


def sparq_format(attributes: Attributes) -> SparqFormat:
    """Return the format that the attributes of a layer describe, those of a ``Sparq`` node.

    Raises:
        KeyError: one is missing.
        ValueError: one has no meaning.
    """
    return sparq_operator(attributes).format


def sparq_attributes(sparq: SparqFormat) -> dict[str, Any]:
    """Return the attributes that describe a format, those of a ``Sparq`` node but its axis: code has it last."""
    attributes = Sparq(format=sparq).attributes
    del attributes["axis"]
    return attributes


def sparq_encoder(attributes: Attributes, x: Array) -> Array:
    """Return ``SparqEncoder``: activations (..., C) to words (..., C / 2) of pairs, or (..., C) without pairs."""
    sparq = sparq_format(attributes)
    return pack(encode(x.astype(np.int64), sparq), sparq).astype(x.dtype)


def sparq_mvau(attributes: Attributes, x: Array, weights: Array) -> Array:
    """Return ``SparqMVAU``: what words (..., W) are worth, MW activations a vector, times (MW, MH).

    Like ``MVAU``, it takes an input of another shape with the same elements as the vectors of ``numInputVectors``.
    """
    sparq = sparq_format(attributes)
    activations = decode(unpack(x.astype(np.int64), sparq), sparq).astype(weights.dtype)
    vectors = activations.reshape(-1, *attributes.get("numInputVectors", [1])[1:], attributes["MW"])
    return np.asarray(vectors @ weights)


SPARQ_LAYERS: Final[dict[str, Callable[..., Array]]] = {ENCODER: sparq_encoder, UNIT: sparq_mvau}
