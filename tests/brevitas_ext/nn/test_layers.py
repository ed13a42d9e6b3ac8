"""ShiftQuant layers as torch modules: dtypes, copies, checkpoints, modes."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from brevitas_ext.nn import ShiftQuantConv1d, ShiftQuantConv2d, ShiftQuantization, ShiftQuantLinear


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        ShiftQuantConv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        ShiftQuantConv2d(8, 8, 3, 2),
        nn.Flatten(),
        ShiftQuantLinear(72, 5),
    )


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, start: int = 0) -> None:
    for step in range(start, start + steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        model(torch.randn(4, 3, 8, 8)).square().mean().backward()
        optimizer.step()


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one) and one.keys() == other.keys()


def test_training_resumes_bit_for_bit_from_a_checkpoint() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    train(model, optimizer, 3)
    saved, saved_optimizer = state(model), copy.deepcopy(optimizer.state_dict())
    train(model, optimizer, 2, start=3)
    resumed = network()
    optimizer = torch.optim.SGD(resumed.parameters(), lr=0.1, momentum=0.9)
    resumed.load_state_dict(saved)
    optimizer.load_state_dict(saved_optimizer)
    train(resumed, optimizer, 2, start=3)
    assert same(state(resumed), state(model))


def test_without_its_rounding_stream_it_does_not() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train(model, optimizer, 1)
    saved = {name: value for name, value in state(model).items() if "extra" not in name}
    train(model, optimizer, 1, start=1)
    resumed = network()
    missing = resumed.load_state_dict(saved, strict=False).missing_keys
    assert missing == ["0._extra_state", "2._extra_state", "4._extra_state"]
    train(resumed, torch.optim.SGD(resumed.parameters(), lr=0.1), 1, start=1)
    assert not same(state(resumed), state(model))


def test_a_checkpoint_on_disk(tmp_path: Any) -> None:
    model = network()
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), 2)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = network()
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert same(state(other), state(model))


def test_a_copy_goes_its_own_way_from_the_same_state() -> None:
    model = network()
    clone = copy.deepcopy(model)
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), 2)
    assert clone[0].rounding.draws == 0
    train(clone, torch.optim.SGD(clone.parameters(), lr=0.1), 2)
    assert same(state(clone), state(model))


def test_layers_have_streams_of_their_own() -> None:
    model = network()
    assert len({model[index].rounding.seed for index in (0, 2, 4)}) == 3


def test_torchs_seed_decides_the_streams() -> None:
    assert network()[0].rounding.seed == network()[0].rounding.seed


def test_gradients_accumulate() -> None:
    layer = ShiftQuantLinear(4, 3, seed=1)
    x = torch.randn(5, 4)
    layer(x).sum().backward()
    first = layer.weight.grad.clone()
    layer.weight.grad = None
    layer(x).sum().backward()
    second = layer.weight.grad.clone()
    again = ShiftQuantLinear(4, 3, seed=1)
    again.load_state_dict({**layer.state_dict(), "_extra_state": torch.tensor([1, 0])})
    again(x).sum().backward()
    again(x).sum().backward()
    assert torch.equal(again.weight.grad, first + second)


@pytest.mark.parametrize("training", [False, True])
def test_evaluation_and_training_compute_the_same(training: bool) -> None:
    model = network()
    x = torch.randn(2, 3, 8, 8)
    expected = model(x)
    with torch.no_grad():
        assert torch.equal(model.train(training)(x), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_dtypes(dtype: torch.dtype) -> None:
    model = network()
    x = torch.randn(2, 3, 8, 8).to(dtype)
    wide = torch.promote_types(dtype, torch.float32)
    expected = copy.deepcopy(model).to(dtype).to(wide)[0](x.to(wide))
    model.to(dtype)
    x.requires_grad_()
    assert torch.equal(model[0](x), expected.to(dtype))
    model(x).sum().backward()
    assert x.grad is not None and x.grad.dtype == dtype
    assert all(each.grad.dtype == dtype for each in model.parameters())


def test_autocast_changes_the_output_and_no_integer() -> None:
    layer = ShiftQuantConv2d(64, 8, 3, shift_groups=8, activation_bits=8, weight_bits=8, seed=1)
    x = torch.randn(2, 64, 6, 6)
    expected = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected.to(torch.bfloat16))
    found.sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.dtype == torch.float32


def test_another_dtype_than_the_weights_is_refused() -> None:
    with pytest.raises(TypeError, match=r"input of torch.float32.*found torch.float64"):
        ShiftQuantLinear(3, 2)(torch.zeros(1, 3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (ShiftQuantLinear(4, 3), (4,)),
        (ShiftQuantLinear(4, 3), (2, 5, 4)),
        (ShiftQuantLinear(4, 3), (0, 4)),
        (ShiftQuantConv1d(4, 3, 3), (4, 9)),
        (ShiftQuantConv2d(4, 3, 3), (4, 9, 8)),
        (ShiftQuantConv2d(4, 3, 3), (0, 4, 9, 8)),
        (ShiftQuantConv2d(4, 3, (3, 2), padding="same", dilation=2), (2, 4, 9, 8)),
        (ShiftQuantConv2d(4, 3, 3, padding="valid"), (2, 4, 9, 8)),
        (ShiftQuantConv2d(4, 3, 3, padding=1, padding_mode="circular"), (2, 4, 9, 8)),
        (ShiftQuantConv1d(4, 3, 3, padding=2, padding_mode="reflect"), (2, 4, 9)),
    ],
    ids=str,
)
def test_shapes_are_those_of_torchs_layers(layer: Any, shape: tuple[int, ...]) -> None:
    """With 8 bits the output is close to that of the float layer, so positions are the right ones, too."""
    torch.manual_seed(0)
    layer.quantization = ShiftQuantization(weight_bits=8, activation_bits=8, gradient_bits=8, shift_groups=8)
    x = torch.randn(shape, requires_grad=True)
    found, expected = layer(x), plain(layer, x)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=0.05)
    found.sum().backward()
    assert x.grad is not None and x.grad.shape == x.shape


def plain(layer: Any, x: Tensor) -> Tensor:
    """Return what the layer of torch.nn with the same parameters computes."""
    kind = next(each for each in (nn.Linear, nn.Conv1d, nn.Conv2d) if isinstance(layer, each))
    output: Tensor = kind.forward(layer, x)
    return output


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(ShiftQuantLinear(4, 3), (4, 3)), (ShiftQuantConv2d(4, 3, 3), (2, 5, 9, 9)), (ShiftQuantConv1d(4, 3, 3), (9,))],
    ids=str,
)
def test_wrong_shapes_are_refused(layer: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"found shape \("):
        layer(torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_bits": 1}, "weight_bits: .*from 2 to 8"),
        ({"gradient_bits": 9}, "gradient_bits: .*from 2 to 8"),
        ({"shift_groups": 0}, "1 to 16 groups"),
        ({"weight_scales": "row"}, "weight_scales"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShiftQuantLinear(3, 2, **options)


def test_a_layer_says_what_it_quantizes_to() -> None:
    assert "W4 A4 G6, 4 shift groups, weight scales per channel" in repr(ShiftQuantConv2d(3, 2, 1, gradient_bits=6))


def test_an_input_changed_in_place_is_noticed() -> None:
    layer = ShiftQuantLinear(3, 2)
    x = torch.ones(1, 3)
    y = layer(x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="inplace operation"):
        y.sum().backward()
