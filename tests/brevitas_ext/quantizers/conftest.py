import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

with warnings.catch_warnings():
    # A docstring of Brevitas 0.13 holds "\\c", which Python reports where it has no compiled copy to load.
    warnings.simplefilter("ignore")
    from brevitas.nn import QuantConv1d, QuantConv2d, QuantConvTranspose2d, QuantLinear
    from brevitas.quant_tensor import IntQuantTensor

torch.set_num_threads(1)

LAYERS: dict[str, Callable[..., nn.Module]] = {
    "linear": lambda **options: QuantLinear(24, 5, **options),
    "conv1d": lambda **options: QuantConv1d(3, 5, 3, **options),
    "conv2d": lambda **options: QuantConv2d(3, 5, 3, **options),
    "grouped_conv2d": lambda **options: QuantConv2d(4, 6, 3, groups=2, **options),
    "depthwise_conv2d": lambda **options: QuantConv2d(4, 4, 3, groups=4, **options),
    "conv_transpose2d": lambda **options: QuantConvTranspose2d(3, 5, 3, **options),
    "depthwise_conv_transpose2d": lambda **options: QuantConvTranspose2d(4, 4, 3, groups=4, **options),
}
INPUT_SHAPES = {
    "linear": (2, 24),
    "conv1d": (2, 3, 6),
    "conv2d": (2, 3, 5, 5),
    "grouped_conv2d": (2, 4, 5, 5),
    "depthwise_conv2d": (2, 4, 5, 5),
    "conv_transpose2d": (2, 3, 5, 5),
    "depthwise_conv_transpose2d": (2, 4, 5, 5),
}


@pytest.fixture(params=list(LAYERS))
def layer_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def build_layer() -> Callable[..., Any]:
    """Build a layer of a kind with random weights; options as in Brevitas."""

    def build(kind: str, weight_quant: Any, **options: Any) -> Any:
        torch.manual_seed(0)
        return LAYERS[kind](weight_quant=weight_quant, **options)

    return build


@pytest.fixture
def quantized() -> Callable[..., IntQuantTensor]:
    """Make a quantized tensor of random integers."""

    def make(shape: tuple[int, ...], bits: int, *, signed: bool, scale: float = 0.125) -> IntQuantTensor:
        low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
        integers = torch.randint(low, high, shape, generator=torch.Generator().manual_seed(1)).float()
        return IntQuantTensor(integers * scale, scale, 0.0, float(bits), signed, False)

    return make


@pytest.fixture
def input_for(quantized: Callable[..., IntQuantTensor]) -> Callable[..., IntQuantTensor]:
    """Make a quantized input for a layer of a kind."""
    return lambda kind, bits, *, signed: quantized(INPUT_SHAPES[kind], bits, signed=signed)
