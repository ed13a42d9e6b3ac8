"""What has to hold for every random network at every stage of the compiler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.emulate import emulate
from finn_transforms.passes import lower_to_hardware
from finn_transforms.passes._base import HardwarePassResult
from finn_transforms.passes.lower import passes
from tests.support.graphs import copy_of
from tests.support.random_graphs import Graph, inputs_of, random_graph
from tests.support.stages import assert_finn_agrees


@dataclass(frozen=True)
class Outcome:
    """What became of a network."""

    operators: tuple[str, ...]
    refusals: tuple[str, ...]


def check_stages(spec: Graph) -> Outcome:
    """Run every pass; all outputs stay, bit for bit, and no pass changes its own result.

    Extraction itself is compared where floating-point sums are exact; elsewhere float64 may differ in its last bits.
    """
    model, x = random_graph(spec), inputs_of(spec)
    reference = outputs_of(model, x)
    refusals = []
    extracted = spec.exact
    for stage in passes():
        result = stage(model)
        name = type(stage).__name__
        found = outputs_of(model, x)
        if extracted:
            for output, expected in reference.items():
                np.testing.assert_array_equal(found[output], expected, err_msg=f"{output} after {name}")
        if name == "ExtractIntegers":
            extracted, reference = True, found
        assert not stage(copy_of(model)).modified, f"{name} changes its own result"
        if isinstance(result, HardwarePassResult):
            refusals += [f"{refusal.pass_name} {refusal.op_type}: {refusal.reason}" for refusal in result.refusals]
    return Outcome(tuple(node.op_type for node in model.graph), tuple(refusals))


def check_finn(spec: Graph) -> int:
    """Compare every integer of the hardware graph with what FINN's nodes compute; return the number of tensors."""
    model = random_graph(spec)
    lower_to_hardware(model)
    return sum(assert_finn_agrees(model, image[None]) for image in inputs_of(spec, 2))


def outputs_of(model: ir.Model, x: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the graph's outputs by name."""
    values = emulate(model, {"x": x})
    return {str(value.name): values[str(value.name)] for value in model.graph.outputs}
