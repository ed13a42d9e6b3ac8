"""What has to hold for every random network at every stage of the compiler."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.accumulators import Overflow
from finn_transforms.analysis.datatypes import named
from finn_transforms.build import lower
from finn_transforms.certify import certify
from finn_transforms.emulate import emulate
from finn_transforms.passes import FoldShifts, SortChannels, lower_to_hardware
from finn_transforms.passes._base import HardwarePassResult
from finn_transforms.passes.lower import hardware_passes
from finn_transforms.report import certificates
from tests.support.graphs import copy_of
from tests.support.random_graphs import Graph, inputs_of, random_graph
from tests.support.stages import assert_finn_agrees, input_name

EXPECTED_REFUSALS = tuple(
    map(
        re.compile,
        [
            r"its input is the graph's input, which is not an integer",
            r"DepthToSpace: FINN has no layer that turns channels into pixels",
            r"it pads BIPOLAR values with zeros, which they do not have",
            r"FINN's layer does not (compute with|compare) bits that stand for -1 and 1",
            r"GlobalAccPool ReduceSum: FINN gives its sum the type \w+, and it can be -?\d+",
        ],
    )
)
"""What may be refused in a random network; anything else is a gap that nobody knows of."""


@dataclass(frozen=True)
class Outcome:
    """What became of a network."""

    operators: tuple[str, ...]
    refusals: tuple[str, ...]

    @property
    def unexpected(self) -> list[str]:
        """Refusals that are not among `EXPECTED_REFUSALS`."""
        return [text for text in self.refusals if not any(known.search(text) for known in EXPECTED_REFUSALS)]


def check_graph(spec: Graph) -> Outcome:
    """Check a network drawn as a graph, see `check_stages`."""
    return check_stages(random_graph(spec), inputs_of(spec), exact=spec.exact)


def check_stages(model: ir.Model, x: NDArray[Any], *, exact: bool) -> Outcome:
    """Run every pass in place, and sort channels; all outputs stay, bit for bit, and no pass changes its own result.

    Extraction itself is compared where floating-point sums are ``exact``; elsewhere float64 may round them differently.
    """
    reference, comparable, refusals = outputs_of(model, x), exact, []
    for stage in (*hardware_passes(), SortChannels()):
        result = stage(model)
        name, found = type(stage).__name__, outputs_of(model, x)
        if name == "ExtractIntegers" and not comparable:
            comparable, reference = True, found
        if comparable:
            for output, expected in reference.items():
                np.testing.assert_array_equal(found[output], expected, err_msg=f"{output} after {name}")
        assert not stage(copy_of(model)).modified, f"{name} changes its own result"
        if isinstance(result, HardwarePassResult) and not isinstance(stage, SortChannels):
            refusals += [f"{refusal.pass_name} {refusal.op_type}: {refusal.reason}" for refusal in result.refusals]
    return Outcome(tuple(node.op_type for node in model.graph), tuple(refusals))


def check_finn(spec: Graph) -> int:
    """Compare every integer of the hardware graph with what FINN's nodes compute; return the number of tensors.

    A value that its data type does not hold, which QONNX only warns of, is an error.
    """
    model = random_graph(spec)
    lower_to_hardware(model)
    # FINN has no unit that shifts.
    FoldShifts()(model)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*can't be represented")
        return sum(assert_finn_agrees(model, image[None]) for image in inputs_of(spec, 2))


def outputs_of(model: ir.Model, x: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the graph's outputs by name."""
    return emulate(model, {input_name(model): x}, keep="outputs")


def check_certificates(model: ir.Model, overflow: Overflow) -> int:
    """Lower a network and replay its certificates and witnesses; return the number of accumulators."""
    model = lower(model, overflow=overflow, shifts=True).model
    document = json.loads(json.dumps(certificates(model)))
    verdicts = certify(ir.serde.serialize_model(model), document)
    assert [each for each in verdicts if not each.ok] == []
    assert len(verdicts) >= sum(node.op_type in {"MVAU", "ShiftMVAU", "VVAU"} for node in model.graph)
    # Nothing is wider than needed, but for what leaves the accelerator in whole bytes and types that FINN asks for.
    reasons = ("whole bytes", "FINN derives", "single unsigned bits")
    assert all(each.minimal or any(reason in each.detail for reason in reasons) for each in verdicts)
    for record in document["accumulators"]:
        if record["op_type"] in {"MVAU", "ShiftMVAU"} and record["kind"] == "dot":
            _check_witnesses(model, record)
    return len(verdicts)


def _check_witnesses(model: ir.Model, record: dict[str, Any]) -> None:
    """Feed both witnesses to the emulated layer: it reaches the extremes, and one bit less gives another answer."""
    node = next(node for node in model.graph if node.name == record["name"])
    for end in ("lowest", "highest"):
        witness = record[end]
        # Terms that have not been added yet are missing from a partial sum.
        x = np.array(_expanded(witness["inputs"])) * _expanded(witness["first"])
        assert _sums(model, node, x)[witness["channel"]] == witness["value"]
        if record["shown_by"] == end and record["minimal"] and named(record["data_type"]).bitwidth() > 1:
            narrow = copy_of(model)
            narrower = next(each for each in narrow.graph if each.name == record["name"])
            narrower.attributes["accDataType"] = ir.AttrString("accDataType", _narrower(record["data_type"]))
            assert _sums(narrow, narrower, x)[witness["channel"]] != witness["value"]


def _sums(model: ir.Model, node: ir.Node, x: NDArray[Any]) -> NDArray[Any]:
    stream, output = (str(value.name) for value in (node.inputs[0], node.outputs[0]) if value is not None)
    vectors = node.attributes["numInputVectors"].as_ints()
    image = np.broadcast_to(x, (*vectors, x.size))
    sums = emulate(model, {stream: image}, overflow="wrap", keep=[output])[output]
    return np.asarray(sums.reshape(-1, sums.shape[-1])[0])


def _expanded(text: str) -> list[int]:
    runs = (run.split("*") for run in text.split())
    return [int(run[0]) for run in runs for _ in range(int(run[1]) if len(run) > 1 else 1)]


def _narrower(data_type: str) -> str:
    kind = data_type.rstrip("0123456789")
    return f"{kind}{int(data_type[len(kind) :]) - 1}"
