"""Proving that a file holds what was trained: the integers of every weight and bias, and the accumulator contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

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


LARGEST_EXACT: Final = 1 << 22
"""Up to here float32 gives an integer back from its product with a scale; every weight and activation is below."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Constant:
    """A quantized initializer of a file, computed in float32 by the golden function of its node.

    Attributes:
        integers: The integers.
        value: What they stand for.
    """

    integers: NDArray[np.int64]
    value: NDArray[np.float32]


def quantized_constants(model: onnx.ModelProto) -> dict[str, Constant]:
    """Returns every quantized initializer, weights and biases, by the name of the quantizer node.

    Raises:
        ValueError: a quantizer is malformed, or of a version that is not known.
    """
    check_domain_version(model)
    arrays = _arrays(model)
    constants: dict[str, Constant] = {}
    for node in model.graph.node:
        op = read_quantizer(node)
        if op is None or node.input[0] not in arrays:
            continue
        x, *parameters = (arrays[name] for name in node.input)
        integers = op.to_integers(op.pre_rounding(x, parameters), parameters)
        constants[node.name] = Constant(integers=integers, value=op.dequantize(integers, parameters, np.float32))
    return constants


def prove_integers(model: onnx.ModelProto, calls: Sequence[QuantizerCall]) -> None:
    """Proves that a file has the model's quantizers, and its weights and biases bit for bit.

    Args:
        model: The model as read back from the file.
        calls: The quantizer calls of an eager run, see `record`.

    Raises:
        ExportMismatchError: an integer, a scale or a zero point differs, or a quantizer is missing.
    """
    found = quantized_constants(model)
    expected = {call.name: call for call in calls}
    arrays = _arrays(model)
    for node in model.graph.node:
        op = read_quantizer(node)
        if op is None:
            continue
        if node.name not in expected:
            raise ExportMismatchError(
                f"Quantizer {node.name!r}: expected one of the model's, found no call of it in an eager run. "
                "Check that the model takes the same path in every run."
            )
        call = expected[node.name]
        if node.name in found:
            _compare(call, found[node.name])
            continue
        value = op.dequantize(call.integers, [arrays[name] for name in node.input[1:]], np.float32)
        if ((value != call.value) & (np.abs(call.integers) <= LARGEST_EXACT)).any():
            raise ExportMismatchError(
                f"Quantizer {node.name!r}: expected the scale {call.scale.ravel()[:4].tolist()} and the zero point "
                f"{call.zero_point.ravel()[:4].tolist()}, found others in the file. Report this with the model."
            )
    # The first use of a weight is never merged into another one by an exporter.
    missing = [call.name for call in calls if call.role != "activation" and ":" not in call.name]
    missing = [name for name in missing if name not in found]
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
            channel_digests=channel_digests(layer.accumulated),
        )
        contract.check(layer.accumulated)
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
    found = quantized_constants(model)
    zero_points = {call.name: np.rint(call.zero_point).astype(np.int64) for call in calls}
    for layer in promised:
        weights, accumulated = constrained[layer.layer].weight_integers, constrained[layer.layer].accumulated
        # A model that is a layer itself has no path.
        name = next(name for name in (join(layer.layer, "weight_quant"), "weight_quant") if name in found)
        in_file = np.sort(found[name].integers - zero_points[name], axis=None)
        if layer.channel_digests != channel_digests(accumulated) or not np.array_equal(
            in_file, np.sort(weights, axis=None)
        ):
            raise ExportMismatchError(
                f"Layer {layer.layer!r}: expected a contract for the weights in the file, found one for others. "
                "Report this with the model."
            )
        layer.check(accumulated)


def _compare(call: QuantizerCall, found: Constant) -> None:
    if call.integers.shape != found.integers.shape:
        raise ExportMismatchError(
            f"Quantizer {call.name!r}: expected integers of shape {call.integers.shape}, found {found.integers.shape} "
            "in the file. Report this with the model."
        )
    other = (call.integers != found.integers) & (np.abs(call.integers) <= LARGEST_EXACT)
    differing = np.argwhere(other | (call.value != found.value))
    if not len(differing):
        return
    index = tuple(int(position) for position in differing[0])
    raise ExportMismatchError(
        f"Quantizer {call.name!r}: expected the integer {call.integers[index]}, which stands for {call.value[index]}, "
        f"at {list(index)}, found {found.integers[index]} for {found.value[index]} in the file, and {len(differing)} "
        f"of {call.integers.size} differ. If float32 does not hold integer times scale exactly enough, use a larger "
        "scale or fewer bits."
    )


def _arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {initializer.name: numpy_helper.to_array(initializer) for initializer in model.graph.initializer}
