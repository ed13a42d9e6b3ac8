"""From a node of FINN's to its layer and its unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper

from finn_transforms.hw_graph import HwLayer, read_layer
from finn_transforms.rtl import RtlUnit
from finn_transforms.rtl.from_layer import unit_of
from finn_transforms.rtl.node_values import NoUnitError


def constants_of(node: NodeProto, model: ModelWrapper) -> dict[str, NDArray[Any]]:
    """Return the weights and thresholds of a node, by tensor name."""
    found = {name: model.get_initializer(name) for name in node.input}
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def layer_of_node(node: NodeProto, constants: Mapping[str, NDArray[Any]]) -> tuple[HwLayer, ir.Node]:
    """Return the layer of a node, and the node with its constants.

    Args:
        node: specialized or not.
        constants: weights and thresholds by tensor name; thresholds inside a unit are not seen without theirs.

    Raises:
        NoUnitError: the node is of another kind.
    """
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    free = (_unknown(node.input, constants), _unknown(node.output, constants))
    graph = helper.make_graph([node], "node", *free, initializer=initializers)
    (read,) = ir.serde.deserialize_model(helper.make_model(graph)).graph
    layer = read_layer(read)
    if layer is None:
        raise NoUnitError(f"{node.name}: expected a hardware layer with parameters, found {node.op_type}")
    return layer, read


def unit_of_node(node: NodeProto, constants: Mapping[str, NDArray[Any]], name: str) -> RtlUnit:
    """Return the unit that computes a node, as module `name`.

    Raises:
        NoUnitError: there is none for this kind of layer, or not with these parameters.
    """
    return unit_of(*layer_of_node(node, constants), name)


def _unknown(names: Iterable[str], constants: Mapping[str, NDArray[Any]]) -> list[ValueInfoProto]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in constants]
