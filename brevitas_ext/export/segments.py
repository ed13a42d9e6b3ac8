"""Cutting an exported graph at its quantizers, and running the pieces on given quantized inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from brevitas_ext.export.float64_ops import Array
from brevitas_ext.qonnx_ops.catalogue import QuantizerOp, check_domain_version, read_quantizer

FORCED: Final = "//forced"
"""Ends the names of the graph inputs that replace quantizer outputs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizerNode:
    """A quantizer node of an exported graph.

    Attributes:
        name: Name of the node, see `NodeNames`.
        op: Its golden function.
        parameters: Its inputs after the quantized one.
        source: Name of the quantized tensor.
        output: Name of its output.
        is_constant: Whether it quantizes an initializer: a weight or a bias.
    """

    name: str
    op: QuantizerOp
    parameters: tuple[Array, ...]
    source: str
    output: str
    is_constant: bool

    @property
    def forced(self) -> str:
        """Name of the graph input that replaces the output for everything downstream."""
        return self.output + FORCED


@dataclass(frozen=True, kw_only=True, eq=False)
class CutGraph:
    """A graph whose quantizers all read what they read before, while everything downstream reads given tensors.

    Attributes:
        model: The graph: inputs and initializers as before, and an input for every activation quantizer; outputs as
            before, and the output of every quantizer.
        quantizers: Its quantizer nodes in order.
        outputs: Names of the original outputs.
    """

    model: onnx.ModelProto
    quantizers: tuple[QuantizerNode, ...]
    outputs: tuple[str, ...]


def cut(model: onnx.ModelProto) -> CutGraph:
    """Cuts a graph behind every activation quantizer.

    Raises:
        ValueError: a quantizer is malformed or of an unknown version, or a shape is missing.
    """
    check_domain_version(model)
    pieces = onnx.ModelProto()
    pieces.CopyFrom(model)
    graph = pieces.graph
    arrays = {initializer.name: numpy_helper.to_array(initializer) for initializer in graph.initializer}
    quantizers = tuple(read for node in graph.node if (read := _read(node, arrays)) is not None)
    outputs = tuple(value.name for value in graph.output)
    shapes = {value.name: value for value in (*graph.value_info, *graph.output)}
    for quantizer in quantizers:
        if quantizer.output not in shapes:
            raise ValueError(
                f"Quantizer {quantizer.name!r}: expected the shape of its output in the file, found none. "
                "Export the model again with export_qonnx."
            )
        if quantizer.output not in outputs:
            graph.output.add().CopyFrom(shapes[quantizer.output])
            graph.value_info.remove(shapes[quantizer.output])
        if quantizer.is_constant:
            continue
        graph.input.add().CopyFrom(shapes[quantizer.output])
        graph.input[-1].name = quantizer.forced
        for node in graph.node:
            for index, name in enumerate(node.input):
                if name == quantizer.output:
                    node.input[index] = quantizer.forced
    # A quantizer that follows another one directly reads a given tensor, too.
    sources = {node.output[0]: node.input[0] for node in graph.node}
    quantizers = tuple(replace(quantizer, source=sources[quantizer.output]) for quantizer in quantizers)
    return CutGraph(model=pieces, quantizers=quantizers, outputs=outputs)


def _read(node: onnx.NodeProto, arrays: Mapping[str, Array]) -> QuantizerNode | None:
    op = read_quantizer(node)
    if op is None:
        return None
    missing = [name for name in node.input[1:] if name not in arrays]
    if missing:
        raise ValueError(
            f"Quantizer {node.name!r}: expected initializers as parameters, found the computed tensor {missing[0]!r}. "
            "Export the model again with export_qonnx."
        )
    return QuantizerNode(
        name=node.name,
        op=op,
        parameters=tuple(arrays[name] for name in node.input[1:]),
        source=node.input[0],
        output=node.output[0],
        is_constant=node.input[0] in arrays,
    )


class OnnxRuntime:
    """Runs a cut graph in a stock onnxruntime, as it optimizes by default."""

    def __init__(self, graph: CutGraph) -> None:
        options = onnxruntime.SessionOptions()
        # Errors and worse; it warns about every initializer that it folds away.
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, feeds: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
        """Returns the named tensors."""
        results = self._session.run(list(names), dict(feeds))
        return {name: np.asarray(result) for name, result in zip(names, results, strict=True)}


class Qonnx:
    """Runs a cut graph node by node in QONNX."""

    def __init__(self, graph: CutGraph) -> None:
        self._model = ModelWrapper(graph.model)

    def run(self, feeds: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
        """Returns the named tensors."""
        context = execute_onnx(self._model, dict(feeds), return_full_exec_context=True)
        return {name: np.asarray(context[name]) for name in names}
