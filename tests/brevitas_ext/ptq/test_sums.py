"""Which sums a float model has, and which of them can be sums of integers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from brevitas_ext.ptq.sums import ResidualSum, residual_sums
from tests.support.float_shortcuts import shortcuts


class Around(nn.Module):
    """Two convolutions, two activations, and a sum that a test chooses."""

    def __init__(self, body: Callable[[Around, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self, x)


def test_every_kind_of_shortcut_is_found() -> None:
    assert residual_sums(shortcuts()) == [
        ResidualSum(name="add", layers=("same.bn2",), skip="relu", relus=("same.relu2",)),
        ResidualSum(name="add_1", layers=("wider.bn2",), skip="same.relu2", relus=("wider.relu2",)),
        ResidualSum(name="add_2", layers=("projected.bn2", "projected.project"), relus=("projected.relu2",)),
    ]


@pytest.mark.parametrize("add", [torch.add, lambda x, y: x.add(y), lambda x, y: x.add_(y), lambda x, y: y + x])
def test_every_way_to_add(add: Callable[[Tensor, Tensor], Tensor]) -> None:
    (found,) = residual_sums(Around(lambda net, x: net.relu2(add(net.conv1(x), net.relu1(x)))))
    assert (found.layers, found.skip, found.relus) == (("conv1",), "relu1", ("relu2",))


def test_selecting_and_adding_zeros_keep_a_grid() -> None:
    (found,) = residual_sums(Around(lambda net, x: functional.pad(net.conv1(x), (1, 1)) + net.relu1(x)))
    assert (found.layers, found.skip) == (("conv1",), "relu1")


def test_a_sum_that_something_else_reads_keeps_its_whole_range() -> None:
    def body(net: Around, x: Tensor) -> Tensor:
        total = net.conv1(x) + net.relu1(x)
        return net.relu2(total) * total

    (found,) = residual_sums(Around(body))
    assert found.relus == () and not found.problem


def _reads_twice(net: Around, x: Tensor) -> Tensor:
    y = net.conv1(x)
    return net.relu1(x) + y + net.conv2(y)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (lambda net, x: net.relu1(x) + net.relu2(x), "two activations, relu1 and relu2"),
        (lambda net, x: net.conv1(x) + x, "'x' comes from x, no ReLU and no linear layer"),
        (_reads_twice, "'conv1', which it adds, is read elsewhere"),
        (lambda net, x: net.conv1(net.conv1(x)) + net.relu1(x), "'conv1', which it adds, is called several times"),
        (lambda net, x: net.conv1(x) + functional.pad(net.relu1(x), (0, 0), value=1.0), "comes from pad"),
        (lambda net, x: net.conv1(x) + net.relu1(x) + net.relu2(x), "'add' comes from add"),
    ],
)
def test_sums_without_a_common_grid_say_why(body: Callable[[Around, Tensor], Tensor], problem: str) -> None:
    assert any(problem in each.problem for each in residual_sums(Around(body)))


def test_sums_with_numbers_are_none() -> None:
    assert residual_sums(Around(lambda net, x: net.relu1(x + 1.0))) == []


def test_a_forward_that_depends_on_values_is_refused() -> None:
    with pytest.raises(ValueError, match=r"forward that torch\.fx follows.*sum_bits=None"):
        residual_sums(Around(lambda net, x: net.conv1(x) if x.sum() > 0 else x))
