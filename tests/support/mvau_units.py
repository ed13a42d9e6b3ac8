"""Matrix-vector units with random weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType, DataType

from finn_transforms.rtl import MvauLut


def random_weights(data_type: BaseDataType, shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """Return integers of a data type, its ends among them where there is room."""
    generator = np.random.default_rng(seed)
    low, high = int(data_type.min()), int(data_type.max())
    if data_type.name == "BIPOLAR":
        return generator.choice(np.array([-1, 1]), shape)
    weights = generator.integers(low, high, shape, endpoint=True)
    weights.flat[0], weights.flat[-1] = low, high
    return weights


def mvau_unit(
    name: str, types: str, size: tuple[int, int], folding: tuple[int, int], source: Any = "memory", **fields: Any
) -> MvauLut:
    """Return a unit.

    Args:
        name: of the unit.
        types: data types of inputs, weights and accumulator, e.g. ``"UINT4 INT4 INT16"``.
        size: MW, MH.
        folding: PE, SIMD.
        source: of the weights.
        fields: other fields of the unit.
    """
    inputs, weights, accumulator = (DataType[text] for text in types.split())
    matrix = None if source == "stream" else random_weights(weights, size, len(name) + sum(size))
    given = {
        "name": name,
        "mw": size[0],
        "mh": size[1],
        "pe": folding[0],
        "simd": folding[1],
        "input_type": inputs,
        "weight_type": weights,
        "accumulator_type": accumulator,
        "weights": matrix,
        "weight_source": source,
    }
    return MvauLut(**given | fields)
