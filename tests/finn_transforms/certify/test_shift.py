"""Certificates and promises of units that shift products: shifts are the graph's, and what is wrong is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import onnx_ir as ir
import pytest

from finn_transforms.certify import CertificateError, certify
from finn_transforms.passes import BrokenContractError, lower_to_hardware
from finn_transforms.report import certificates
from tests.support.certified import problems, state
from tests.support.graphs import copy_of
from tests.support.shift_networks import EXPONENTS, needed_bits, shift_network

_LOWERED = lower_to_hardware(shift_network(contract_bits=needed_bits())).model


def certified() -> tuple[onnx.ModelProto, dict[str, Any]]:
    return ir.serde.serialize_model(copy_of(_LOWERED)), certificates(_LOWERED)


def unit_of(proto: onnx.ModelProto) -> onnx.NodeProto:
    return next(node for node in proto.graph.node if node.op_type == "ShiftMVAU")


def attribute_of(proto: onnx.ModelProto, name: str) -> onnx.AttributeProto:
    return next(attribute for attribute in unit_of(proto).attribute if attribute.name == name)


def test_accumulators_and_the_promise_hold() -> None:
    proto, document = certified()
    verdicts = certify(proto, document)
    assert problems(verdicts) == ""
    assert [verdict.kind for verdict in verdicts] == ["accumulator", "accumulator", "contract"]
    assert verdicts[0].minimal
    assert document["accumulators"][0]["op_type"] == "ShiftMVAU"


@pytest.mark.parametrize("shared", [0, 2])
def test_a_promise_is_found_again_by_its_shifted_weights(shared: int) -> None:
    """Only the ratios of the scales are folded in; a factor that all channels share stays a scale."""
    model = shift_network([exponent + shared for exponent in EXPONENTS], contract_bits=needed_bits())
    lowered = lower_to_hardware(model)
    assert [each.detail for each in lowered.rewrites if each.pass_name == "CheckAccumulatorContract"] == [
        f"conv: proved to fit {needed_bits()} bits"
    ]


def test_a_promise_that_forgets_the_shifts_is_broken() -> None:
    with pytest.raises(ValueError, match="Layer 'conv'"):
        lower_to_hardware(shift_network(contract_bits=needed_bits() - 3))
    model = shift_network()
    model.metadata_props.update(shift_network([0] * 8, contract_bits=20).metadata_props)
    with pytest.raises(BrokenContractError, match="Layer 'conv': expected a layer with its 6 channels of weights"):
        lower_to_hardware(model)


def _another_shift(proto: onnx.ModelProto) -> None:
    attribute_of(proto, "shifts").ints[0] += 1


def _swapped_shifts(proto: onnx.ModelProto) -> None:
    shifts = attribute_of(proto, "shifts").ints
    shifts[0], shifts[1] = shifts[1], shifts[0]


def _no_shifts(proto: onnx.ModelProto) -> None:
    unit_of(proto).op_type = "MVAU"


@pytest.mark.parametrize("change", [_another_shift, _swapped_shifts, _no_shifts])
def test_other_shifts_are_seen(change: Callable[[onnx.ModelProto], None]) -> None:
    proto, document = certified()
    change(proto)
    if change is _no_shifts:
        document["accumulators"][0]["op_type"] = "MVAU"
    found = problems(certify(proto, document))
    assert "the weights have SHA-256" in found
    assert "conv: " in found  # the promise, too


def test_a_narrower_accumulator_is_seen() -> None:
    proto, document = certified()
    record = document["accumulators"][0]
    narrower = f"INT{needed_bits() - 1}"
    for attribute in ("accDataType", "outputDataType"):
        state(proto, record["name"], attribute, narrower)
    record["data_type"] = narrower
    assert "a sum reaches" in problems(certify(proto, document))


def test_weights_that_the_unshifted_type_does_not_hold_are_seen() -> None:
    proto, document = certified()
    state(proto, document["accumulators"][0]["name"], "weightDataType", "INT3")
    assert "weightDataType INT3 does not hold its [-7, 7]" in problems(certify(proto, document))


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("shifts", [1, 2], "expected 72 exponents below 63, found"),
        ("shifts", [-1] * 72, "expected 72 exponents below 63, found"),
        ("shifts", [62] * 72, "expected shifted weights of at most 63 bits"),
        ("mem_mode", "external", "weights that are kept inside"),
        ("runtime_writeable_weights", 1, "weights that are kept inside"),
        ("binaryXnorMode", 1, "weights that are kept inside"),
    ],
)
def test_graphs_that_mean_nothing_are_refused(attribute: str, value: Any, message: str) -> None:
    proto, document = certified()
    node = unit_of(proto)
    kept = [each for each in node.attribute if each.name != attribute]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(attribute, value)])
    with pytest.raises(CertificateError, match=message):
        certify(proto, document)
