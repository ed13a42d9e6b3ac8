import pytest
import torch
from torch import nn

from brevitas_ext.quantizers import ChannelRows

LAYERS = [
    nn.Linear(6, 4),
    nn.Conv1d(4, 6, 3),
    nn.Conv1d(4, 6, 3, groups=2),
    nn.Conv2d(3, 5, (2, 3)),
    nn.Conv2d(4, 8, 3, groups=4),
    nn.Conv3d(2, 3, 2),
    nn.ConvTranspose1d(3, 5, 3),
    nn.ConvTranspose2d(3, 5, (2, 3)),
    nn.ConvTranspose2d(4, 6, 3, groups=2),
    nn.ConvTranspose2d(4, 4, 3, groups=4),
    nn.ConvTranspose2d(3, 6, 3, groups=3),
    nn.ConvTranspose3d(2, 3, 2),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_a_row_holds_the_weights_of_one_output_channel(layer: nn.Module) -> None:
    """Constant input: a pixel that every weight reaches is the sum of the channel's row."""
    layout = ChannelRows.of(layer)
    torch.manual_seed(0)
    weight = torch.randint(-50, 50, layout.weight_shape).float()
    layer.weight.data, layer.bias.data = weight, torch.zeros_like(layer.bias)  # type: ignore[union-attr, operator]
    kernel = layout.weight_shape[2:]
    inputs = layer.in_features if layout.kind == "linear" else layer.in_channels
    output = layer(torch.ones(1, inputs, *(2 * size for size in kernel)))  # type: ignore[arg-type]
    centre = output[0] if layout.kind == "linear" else output[(0, slice(None), *(size for size in kernel))]
    rows = layout.rows(weight)
    assert rows.shape == (layout.channels, layout.k)
    assert torch.equal(rows.sum(dim=1), centre)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_values_of_inputs_stand_beside_their_weights(layer: nn.Module) -> None:
    """Inputs that are constant per channel: a pixel that every weight reaches is the sum of weights times values."""
    layout = ChannelRows.of(layer)
    torch.manual_seed(1)
    weight = torch.randint(-50, 50, layout.weight_shape).float()
    layer.weight.data, layer.bias.data = weight, torch.zeros_like(layer.bias)  # type: ignore[union-attr, operator]
    kernel = layout.weight_shape[2:]
    inputs = layer.in_features if layout.kind == "linear" else layer.in_channels
    values = torch.exp2(torch.randperm(inputs).float())  # type: ignore[arg-type]
    x = values.view(1, -1, *(1 for _ in kernel)).expand(1, -1, *(2 * size for size in kernel))
    output = layer(x)
    centre = output[0] if layout.kind == "linear" else output[(0, slice(None), *(size for size in kernel))]
    assert torch.equal((layout.rows(weight) * layout.of_inputs(values)).sum(dim=1), centre)
    exponents = values.log2().long()
    relative = layout.relative_exponents(exponents)
    assert torch.equal(relative, layout.of_inputs(exponents) - layout.of_inputs(exponents).amin(dim=1, keepdim=True))
    with pytest.raises(ValueError, match="check the axis of the input's quantizer"):
        layout.of_inputs(torch.ones(inputs + 1))  # type: ignore[operator]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_rows_and_weight_are_inverse(layer: nn.Module) -> None:
    layout = ChannelRows.of(layer)
    weight = torch.arange(layer.weight.numel()).reshape(layout.weight_shape)  # type: ignore[union-attr, operator]
    assert torch.equal(layout.weight(layout.rows(weight)), weight)


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if "groups=2" not in str(layer)], ids=str)
def test_values_in_channel_shape_scale_rows(layer: nn.Module) -> None:
    layout = ChannelRows.of(layer)
    values = torch.arange(1.0, layout.channels + 1)
    scaled = torch.ones(layout.weight_shape) * values.view(layout.channel_shape)
    assert torch.equal(layout.rows(scaled), values[:, None].expand(-1, layout.k))


def test_depthwise_channels_have_the_kernel_only() -> None:
    assert ChannelRows.of(nn.Conv2d(8, 8, 3, groups=8)).k == 9


def test_grouped_transposed_convolutions_have_no_scale_per_channel() -> None:
    with pytest.raises(NotImplementedError, match="2 groups of 2 inputs"):
        _ = ChannelRows.of(nn.ConvTranspose2d(4, 6, 3, groups=2)).channel_shape


def test_other_layers_are_refused() -> None:
    with pytest.raises(TypeError, match="found Embedding"):
        ChannelRows.of(nn.Embedding(3, 4))
