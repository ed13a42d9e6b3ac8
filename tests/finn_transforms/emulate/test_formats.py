"""Integers of any magnitude are exact, and the format is the narrowest that proves it."""

import numpy as np
import pytest

from finn_transforms.emulate import emulate
from finn_transforms.emulate.formats import exact_format
from tests.support.graphs import GraphBuilder


def integer_layer(weights: np.ndarray, input_type: str = "INT64", weight_type: str = "INT32") -> object:
    graph = GraphBuilder((1, len(weights)))
    graph.datatypes["x"] = input_type
    return graph.model(graph.node("MatMul", ["x", graph.constant(weights, "w", weight_type)], datatype="INT128"))


@pytest.mark.parametrize("size", [2**11, 2**23, 2**30, 2**52, 2**60])
@pytest.mark.parametrize("largest", [3, 2**12, 2**23])
def test_sums_of_products_of_any_magnitude(size: int, largest: int) -> None:
    rng = np.random.default_rng(size % 1000 + largest)
    x = rng.integers(-size, size, (5, 7)).astype(object)
    weights = rng.integers(-largest, largest, (7, 3))
    model = integer_layer(weights)
    found = emulate(model, {"x": x})[str(model.graph.outputs[0].name)]
    expected = x @ weights.astype(object)
    assert [[int(value) for value in row] for row in found] == expected.tolist()


def test_cancelling_sums_are_exact() -> None:
    """In float32 the large terms would swallow the small one."""
    model = integer_layer(np.array([[2**20], [1], [-(2**20)]]))
    x = np.array([[2**20, 1, 2**20], [2**30, 3, 2**30]])
    np.testing.assert_array_equal(emulate(model, {"x": x})[str(model.graph.outputs[0].name)], [[1], [3]])


def test_convolutions_likewise() -> None:
    graph = GraphBuilder((1, 1, 3, 3))
    graph.datatypes["x"] = "INT32"
    weights = graph.constant([[[[2**22, 1], [0, -(2**22)]]]], "w", "INT32")
    model = graph.model(graph.node("Conv", ["x", weights], kernel_shape=[2, 2], datatype="INT64"))
    x = np.arange(9).reshape(1, 1, 3, 3) + 2**30
    expected = 2**22 * (x[..., :2, :2] - x[..., 1:, 1:]) + x[..., :2, 1:]
    np.testing.assert_array_equal(emulate(model, {"x": x})[str(model.graph.outputs[0].name)], expected)


def test_the_format_is_the_narrowest_allowed() -> None:
    assert exact_format(2**24, narrowest=np.float32) is np.float32
    assert exact_format(2**24) is np.float64
    assert exact_format(2**24 + 1, narrowest=np.float32) is np.float64
    assert exact_format(2**53 + 1) is np.int64
    assert exact_format(2**63) is object
