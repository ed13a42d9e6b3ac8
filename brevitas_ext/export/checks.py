"""What must hold before an export starts, each with an error that says what to do."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import torch
from brevitas.quant_tensor import QuantTensor
from torch import Tensor, nn

from brevitas_ext.export.handlers import UnsupportedModuleError
from brevitas_ext.export.session import quantizers
from brevitas_ext.export.tracing import Exporter


def check_target(path: str | os.PathLike[str]) -> Path:
    """Returns the path of the file to write; raises OSError if it cannot be one."""
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"Expected a file to write, found the folder {target}. Append a file name.")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"Expected the folder {target.parent} to exist, found none. "
            "Create it first: Path(path).parent.mkdir(parents=True)."
        )
    return target


def check_inputs(example: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Returns the model's inputs as a tuple; raises TypeError if they are no plain tensors."""
    several = isinstance(example, tuple) and not isinstance(example, QuantTensor)
    inputs: tuple[Any, ...] = tuple(example) if several else (example,)
    for value in inputs:
        if not isinstance(value, Tensor) or isinstance(value, QuantTensor):
            raise TypeError(
                f"Expected a tensor or a tuple of tensors as the model's example input, found {type(value).__name__}. "
                "Quantize inside the model, e.g. with QuantIdentity."
            )
    return inputs


def check_exporter(exporter: str) -> None:
    """Raises ValueError for an unknown exporter, ImportError for one that is not available."""
    if exporter not in get_args(Exporter):
        raise ValueError(f"Expected an exporter out of {get_args(Exporter)}, found {exporter!r}. Use one of these.")
    if exporter == "dynamo" and (torch.__version__ < "2.8" or find_spec("onnxscript") is None):
        raise ImportError(
            f"Expected torch 2.8 or later and onnxscript for the dynamo exporter, found torch {torch.__version__}. "
            "Install them, or use exporter='torchscript'."
        )


def check_model(model: nn.Module) -> None:
    """Raises UnsupportedModuleError for a model that is not quantized or not of float32."""
    quantizers(model)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise UnsupportedModuleError(
                f"Parameter {name!r}: expected float32, in which QONNX computes, found {tensor.dtype}. "
                "Convert a copy of the model first: copy.deepcopy(model).float()."
            )


def count_outputs(output: Any) -> int:
    """Returns the number of tensors that a model returns; raises TypeError if it returns something else."""
    outputs = tuple(output) if type(output) in (tuple, list) else (output,)
    for value in outputs:
        if isinstance(value, QuantTensor):
            raise TypeError(
                "Expected a model that returns tensors, found a QuantTensor. "
                "Set return_quant_tensor=False in the last layer, or return its value."
            )
        if not isinstance(value, Tensor):
            raise TypeError(
                f"Expected a model that returns a tensor or a tuple of tensors, found {type(value).__name__}. "
                "Wrap the model in one that does."
            )
    return len(outputs)
