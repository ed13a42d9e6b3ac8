"""Proving that a file holds what was trained: the integers of every weight and bias, and the accumulator contract."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from brevitas_ext.accumulators import TracedLayer
from brevitas_ext.export.recording import QuantizerCall, join
from brevitas_ext.qonnx_ops.accumulator_contract import (
    AccumulatorContract,
    LayerContract,
    channel_digests,
    read_contract,
)
from brevitas_ext.qonnx_ops.catalogue import check_domain_version, read_quantizer


class ExportMismatchError(ValueError):
    """A file does not hold the integers that the model computes with."""


def constant_integers(model: onnx.ModelProto) -> dict[str, NDArray[np.int64]]:
    """Returns the integers of every quantizer on an initializer, weights and biases, by the name of the node.

    They are computed in float32 by the golden function of the node, on what is in the file and nothing else.

    Raises:
        ValueError: a quantizer is malformed, or of a version that is not known.
    """
    check_domain_version(model)
    arrays = {initializer.name: numpy_helper.to_array(initializer) for initializer in model.graph.initializer}
    integers: dict[str, NDArray[np.int64]] = {}
    for node in model.graph.node:
        op = read_quantizer(node)
        if op is None or node.input[0] not in arrays:
            continue
        x, *parameters = (arrays[name] for name in node.input)
        integers[node.name] = op.to_integers(op.pre_rounding(x, parameters), parameters)
    return integers


def prove_integers(model: onnx.ModelProto, calls: Sequence[QuantizerCall]) -> None:
    """Proves that a file's weights and biases are bit for bit those that Brevitas computed with.

    Args:
        model: The model as read back from the file.
        calls: The quantizer calls of an eager run, see `record`.

    Raises:
        ExportMismatchError: an integer differs; names quantizer, channel, index and both integers.
    """
    found = constant_integers(model)
    expected = {call.name: call.integers for call in calls if call.role != "activation"}
    for name, integers in found.items():
        if name not in expected:
            raise ExportMismatchError(
                f"Quantizer {name!r}: expected one of the model's, found no call of it in an eager run. "
                "Check that the model takes the same path in every run."
            )
        _compare(name, expected[name], integers)
    # The first use of a weight is never merged into another one by an exporter.
    missing = [name for name in expected if name not in found and ":" not in name]
    if missing:
        raise ExportMismatchError(
            f"Expected a quantizer node for {missing[0]!r} in the file, found none. "
            "Check that its output reaches the model's output."
        )


def build_contract(layers: Sequence[TracedLayer]) -> AccumulatorContract:
    """Returns the accumulator contract of the layers that were trained for an accumulator width, proved on them.

    Raises:
        ContractViolationError: a layer does not keep its promise.
        ExportMismatchError: the input of such a layer is not quantized, so nothing can be promised.
    """
    contracts = []
    for layer in layers:
        if layer.accumulator_bits is None or layer.bound is None:
            continue
        if layer.input_low is None or layer.input_high is None:
            raise ExportMismatchError(
                f"Layer {layer.name!r}: expected a quantized input, on which its {layer.accumulator_bits}-bit "
                "accumulator depends, found none. Quantize the input of the layer."
            )
        contract = LayerContract(
            layer=layer.name,
            accumulator_bits=layer.accumulator_bits,
            bound="a2q+" if layer.bound == "a2q+" else "a2q",
            # Both bounds limit the sum of all positive and that of all negative products, hence every partial sum.
            overflow="any_order",
            input_low=layer.input_low,
            input_high=layer.input_high,
            channel_digests=channel_digests(layer.weight_integers),
        )
        contract.check(layer.weight_integers)
        contracts.append(contract)
    return AccumulatorContract(layers=tuple(contracts))


def prove_contract(model: onnx.ModelProto, layers: Sequence[TracedLayer], calls: Sequence[QuantizerCall]) -> None:
    """Proves that the contract in a file is about the weights in the file and holds for them.

    Args:
        model: The model as read back from the file.
        layers: The layers of the trained model, whose weights the contract was built for.
        calls: The quantizer calls of an eager run, see `record`.

    Raises:
        ContractViolationError: a layer can overflow its accumulator.
        ExportMismatchError: the file has other contracts than the model, or other weights than its contracts.
    """
    constrained = {layer.name: layer for layer in layers if layer.accumulator_bits is not None}
    contract = read_contract({prop.key: prop.value for prop in model.metadata_props})
    promised = () if contract is None else contract.layers
    if [layer.layer for layer in promised] != list(constrained):
        raise ExportMismatchError(
            f"Expected contracts for the layers {list(constrained)}, found {[layer.layer for layer in promised]} in "
            "the file. Report this with the model."
        )
    found = constant_integers(model)
    zero_points = {call.name: np.rint(call.zero_point).astype(np.int64) for call in calls}
    for layer in promised:
        weights = constrained[layer.layer].weight_integers
        # A model that is a layer itself has no path.
        name = next(name for name in (join(layer.layer, "weight_quant"), "weight_quant") if name in found)
        in_file = np.sort(found[name] - zero_points[name], axis=None)
        if layer.channel_digests != channel_digests(weights) or not np.array_equal(
            in_file, np.sort(weights, axis=None)
        ):
            raise ExportMismatchError(
                f"Layer {layer.layer!r}: expected a contract for the weights in the file, found one for others. "
                "Report this with the model."
            )
        layer.check(weights)


def _compare(name: str, expected: NDArray[np.int64], found: NDArray[np.int64]) -> None:
    if expected.shape != found.shape:
        raise ExportMismatchError(
            f"Quantizer {name!r}: expected integers of shape {expected.shape}, found {found.shape} in the file. "
            "Report this with the model."
        )
    differing = np.argwhere(expected != found)
    if not len(differing):
        return
    index = tuple(int(position) for position in differing[0])
    raise ExportMismatchError(
        f"Quantizer {name!r}: expected the integer {expected[index]} at {list(index)}, found {found[index]} in the "
        f"file, and {len(differing)} of {expected.size} differ. float32 does not hold integer times scale exactly "
        "enough: use a larger scale or fewer bits."
    )
