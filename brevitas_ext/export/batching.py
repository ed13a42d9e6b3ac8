"""Running an exported graph on more inputs at once than it was exported for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnx.shape_inference
from onnx import numpy_helper
from torch import Tensor

Shape = tuple[int, ...]


def input_shapes(model: onnx.ModelProto) -> list[Shape]:
    """Returns the shapes of a graph's inputs."""
    return [_shape(value) for value in model.graph.input]


def with_batch(model: onnx.ModelProto, factor: int) -> onnx.ModelProto | None:
    """Returns a graph that does the same to a batch `factor` times as large.

    Returns:
        The graph; None if its nodes hold the size of the batch in other places than the shape of a `Reshape`.
    """
    if factor == 1:
        return model
    larger = onnx.ModelProto()
    larger.CopyFrom(model)
    graph = larger.graph
    known = {value.name: _shape(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    for value in (*graph.input, *graph.output):
        if not _shape(value):
            return None
        value.type.tensor_type.shape.dim[0].dim_value *= factor
    _enlarge_reshapes(graph, known, factor)
    del graph.value_info[:]
    try:
        larger = onnx.shape_inference.infer_shapes(larger, check_type=True, strict_mode=True)
    except onnx.shape_inference.InferenceError:
        return None
    found = {
        value.name: _shape(value) for value in (*larger.graph.input, *larger.graph.value_info, *larger.graph.output)
    }
    constants = {item.name for item in graph.initializer}
    computed = [name for name in known if name not in constants]
    # What depends on weights alone stays as it is.
    fits = all(found.get(name) in (known[name], _scaled(known[name], factor)) for name in computed)
    return larger if fits else None


def split(inputs: tuple[Tensor, ...], shapes: list[Shape], at_once: int) -> Iterator[tuple[int, tuple[Tensor, ...]]]:
    """Splits inputs into multiples of a file's batch.

    Args:
        inputs: The inputs.
        shapes: Shapes that the file takes.
        at_once: Largest multiple.

    Yields:
        The multiple and the inputs of that many batches.

    Raises:
        ValueError: the inputs are no multiple of the batch.
    """
    found = [tuple(value.shape) for value in inputs]
    rest_fits = [shape[1:] for shape in found] == [shape[1:] for shape in shapes]
    counts = {ours[0] / theirs[0] for ours, theirs in zip(found, shapes, strict=False) if ours and theirs and theirs[0]}
    counts = counts or {1.0}
    if not rest_fits or len(counts) != 1 or not min(counts).is_integer():
        raise ValueError(
            f"Expected inputs of the shapes {shapes}, the first dimension any multiple of these, found {found}. "
            "Pad or drop inputs, or export with another batch size."
        )
    total = int(min(counts))
    for start in range(0, total, at_once):
        count = min(at_once, total - start)
        yield (
            count,
            tuple(
                value[start * shape[0] : (start + count) * shape[0]] if shape else value
                for value, shape in zip(inputs, shapes, strict=True)
            ),
        )


def _enlarge_reshapes(graph: onnx.GraphProto, known: dict[str, Shape], factor: int) -> None:
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type != "Reshape" or node.domain or node.input[1] not in arrays:
            continue
        target, source = arrays[node.input[1]], known.get(node.input[0], ())
        if target.size and source and target[0] == source[0]:
            name = f"{node.input[1]}//{node.name}"
            enlarged = np.concatenate([target[:1] * factor, target[1:]])
            graph.initializer.append(numpy_helper.from_array(enlarged, name))
            node.input[1] = name


def _shape(value: onnx.ValueInfoProto) -> Shape:
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)


def _scaled(shape: Shape, factor: int) -> Shape:
    return (shape[0] * factor, *shape[1:]) if shape else shape
