"""Small Brevitas models, each a worked example of what an export has to get right."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import onnx
import torch
from torch import Tensor, nn

with warnings.catch_warnings():
    # A docstring of Brevitas 0.13 holds "\\c", which Python reports where it has no compiled copy to load.
    warnings.simplefilter("ignore")
    import brevitas.nn as qnn

from brevitas_ext.export import export_qonnx
from brevitas_ext.qonnx_ops.accumulator_contract import AccumulatorContract, read_contract
from brevitas_ext.quantizers import A2QPlusWeightQuant, A2QWeightQuant

torch.set_num_threads(1)

PROMISES = range(8, 21)

Model = TypeVar("Model", bound=nn.Module)


def quantized_input(bits: int = 4, *, signed: bool = True, **options: Any) -> nn.Module:
    kind = qnn.QuantIdentity if signed else qnn.QuantReLU
    return kind(bit_width=bits, return_quant_tensor=True, **options)


class Wired(nn.Module):
    """Named parts, and a function that wires them up."""

    def __init__(self, wiring: Callable[[nn.ModuleDict, Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.wiring = wiring

    def forward(self, x: Tensor) -> Any:
        return self.wiring(self.parts, x)


class Side(nn.Module):
    """Layers side by side on one quantized input, so that one export shows them all."""

    def __init__(self, source: nn.Module, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.source = source
        self.layers = nn.ModuleDict(layers)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.source(x)
        return tuple(layer(x) for layer in self.layers.values())


def every_promise() -> Wired:
    """Two layers for every P in 8..20, one with signed and one with unsigned input: A2Q, and A2Q+ where P is odd.

    Few weights of a channel are large, or the small budgets would round them all to zero.
    """
    torch.manual_seed(6)

    def layer(bits: int) -> nn.Module:
        conv = qnn.QuantConv2d(
            6,
            5,
            3,
            bias=False,
            weight_quant=A2QPlusWeightQuant if bits % 2 else A2QWeightQuant,
            weight_bit_width=8,
            weight_accumulator_bit_width=bits,
        )
        with torch.no_grad():
            conv.weight.copy_(torch.randn_like(conv.weight) ** 7)
        return conv

    def wiring(parts: nn.ModuleDict, x: Tensor) -> tuple[Tensor, ...]:
        return (*parts["signed"](x), *parts["unsigned"](x))

    sides = {
        name: Side(quantized_input(5, signed=name == "signed"), {f"p{bits}": layer(bits) for bits in PROMISES})
        for name in ("signed", "unsigned")
    }
    return trained(Wired(wiring, **sides), (4, 6, 5, 5))


class ConvNet(nn.Module):
    """Convolutions with and without groups, batch norms with either sign, ReLU and HardTanh, pooling, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        a2q = {"weight_quant": A2QWeightQuant, "weight_bit_width": 4, "weight_accumulator_bit_width": 14}
        self.source = quantized_input(4)
        self.conv1 = qnn.QuantConv2d(3, 8, 3, padding=1, bias=False, **a2q)
        self.norm1 = nn.BatchNorm2d(8)
        self.relu = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = qnn.QuantConv2d(8, 8, 3, padding=1, groups=8, bias=True, **a2q)
        self.norm2 = nn.BatchNorm2d(8)
        self.tanh = qnn.QuantHardTanh(bit_width=4, min_val=-1.0, max_val=1.0, return_quant_tensor=True)
        self.fc = qnn.QuantLinear(8 * 4 * 4, 10, bias=True, **a2q)

    def forward(self, image: Tensor) -> Tensor:
        x = self.relu(self.norm1(self.conv1(self.source(image))))
        x = self.tanh(self.norm2(self.conv2(self.pool(x))))
        return self.fc(x.flatten(1))


IMAGE = (2, 3, 8, 8)


def convnet() -> ConvNet:
    model = trained(ConvNet(), (4, *IMAGE[1:]))
    with torch.no_grad():
        model.norm1.weight[0] *= -1
        model.norm2.weight[3] *= -1
        model.norm2.weight[4] = 0
    return model


def trained(model: Model, shape: tuple[int, ...]) -> Model:
    """Takes a few training steps, which move scales, statistics and weights off their initial values."""
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model.train()
    for _ in range(3):
        outputs = model(torch.randn(shape))
        loss = sum(output.square().mean() for output in (outputs if isinstance(outputs, tuple) else (outputs,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


EXPORTERS = ("torchscript", "dynamo")


def export(model: nn.Module, example: Tensor, folder: Path, exporter: Any = "torchscript") -> SimpleNamespace:
    path = export_qonnx(model, example, folder / "model.onnx", exporter=exporter)
    return SimpleNamespace(model=model, example=example, path=path, file=onnx.load(path), exporter=exporter)


def contract_of(file: onnx.ModelProto) -> AccumulatorContract | None:
    return read_contract({item.key: item.value for item in file.metadata_props})
