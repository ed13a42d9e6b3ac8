"""FINN's own layers accept the thresholds and compute the same, the memory of the RTL layer included."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType
from qonnx.custom_op.registry import getCustomOp

from finn_transforms.finn_compat import prepare_finn
from finn_transforms.passes import ExtractIntegers, InferThresholding, MinimizeAccumulators
from tests.support.activations import ACTIVATIONS
from tests.support.graphs import array_of, op_types
from tests.support.quantized_tails import QuantizedTail, QuantizerSpec
from tests.support.specialized import specialized
from tests.support.stages import assert_finn_agrees

CASES = {
    "monotone": ("Relu6", QuantizerSpec(bits=4, scale=(0.4,))),
    "zero points": ("HardTanh", QuantizerSpec(bits=4, scale=(0.1,), zero_point=(3.0, 7.0, 0.0))),
    "rises and falls": ("Silu", QuantizerSpec(bits=4, signed=True, scale=(0.125,))),
    "wide": ("Gelu", QuantizerSpec(bits=8, signed=True, scale=(0.05, 0.01, 0.1))),
    "one bit": ("Sigmoid", QuantizerSpec(bits=1, scale=(0.5,))),
    "bipolar": ("HardTanh", QuantizerSpec(bits=1, signed=True)),
    "half of the codes": ("Softplus", QuantizerSpec(bits=5, signed=True, scale=(0.5,))),
}


def rtl_counts(folder: Path, name: str, steps: int, kind: BaseDataType, x: NDArray[Any]) -> NDArray[Any]:
    """Search as thresholding.sv does, in the memory files that FINN wrote for one PE, for x (n, C)."""
    bits = kind.bitwidth() if kind.signed() else 62
    # Inputs beyond the type of the thresholds are saturated to it.
    x = np.clip(x, kind.min(), kind.max())
    stages = int(np.ceil(np.log2(steps + 1)))
    pointer = np.zeros(x.shape, dtype=np.int64)
    for stage in range(stages):
        words = (folder / f"{name}_threshs_0_{stage}.dat").read_text().split()
        memory = np.array([int(word, 16) for word in words])
        memory = np.where(memory >> (bits - 1) > 0, memory - 2**bits, memory).reshape(x.shape[1], 2**stage)
        reduce = (2 ** (stages - stage - 1) + 2**stages - 1 - steps) >> (stages - stage)
        in_scope = (pointer < 2**stage - reduce) if reduce else True
        reached = memory[np.arange(x.shape[1]), pointer] <= x
        pointer = 2 * pointer + (reached & in_scope)
    return pointer


@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize("rising", [True, False])
def test_finn_computes_the_same(case: str, rising: bool, tmp_path: Path) -> None:
    prepare_finn()
    function, quantizer = CASES[case]
    tail = QuantizedTail(ACTIVATIONS[function], (0.03, 0.01 if rising else -0.01, 0.2), quantizer, kind="INT8")
    model = tail.model(16, 16)
    ExtractIntegers()(model)
    assert not InferThresholding()(model).refusals
    MinimizeAccumulators()(model)
    # There are no weights to negate.
    assert ("ElementwiseSub" in op_types(model)) is (not rising or function in {"Silu", "Gelu"})
    integers = np.arange(-128, 128)
    image = np.tile(integers.reshape(1, 1, 16, 16), (1, 3, 1, 1))
    assert assert_finn_agrees(model, image) >= 1
    kernels = specialized(model)
    thresholdings = [node for node in kernels.graph.node if node.op_type == "Thresholding_rtl"]
    assert len(thresholdings) == op_types(model).count("Thresholding")
    for node, ours in zip(thresholdings, (n for n in model.graph if n.op_type == "Thresholding"), strict=True):
        instance = getCustomOp(node)
        instance.generate_params(kernels, str(tmp_path))
        thresholds, kind = array_of(ours.inputs[1]), instance.get_input_datatype(1)
        x = np.tile(integers[:, None], (1, 3))
        found = rtl_counts(tmp_path, node.name, thresholds.shape[1], kind, x)
        np.testing.assert_array_equal(found, (x[:, :, None] >= thresholds).sum(axis=2))
