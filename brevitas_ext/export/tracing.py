"""Running torch's two ONNX exporters on a model in export mode."""

from __future__ import annotations

import inspect
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import onnx
import torch
import torch.onnx
from torch import Tensor, nn
from torch.jit import TracerWarning  # type: ignore[attr-defined]

from brevitas_ext.qonnx_ops import sparq
from brevitas_ext.qonnx_ops.catalogue import DOMAIN, DOMAIN_VERSION
from brevitas_ext.quantizers.sparq_quant import SparqActQuantProxy

Exporter = Literal["torchscript", "dynamo"]

OPSET: Final = 20
"""The last opset of the TorchScript exporter; late enough for the function bodies of the quantizers."""


def trace(model: nn.Module, example: tuple[Tensor, ...], exporter: Exporter, outputs: int) -> onnx.ModelProto:
    """Runs an exporter on a model in export mode and returns what it wrote, as it is.

    Args:
        model: The model, see `export_mode`.
        example: Its inputs.
        exporter: Which of torch's exporters to run.
        outputs: Number of tensors that the model returns.
    """
    input_names = _input_names(model, len(example))
    output_names = ["output"] if outputs == 1 else [f"output_{index}" for index in range(outputs)]
    with _quietly(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traced.onnx"
        program = torch.onnx.export(
            model,
            example,
            # The dynamo exporter would split large weights off into a second file.
            None if exporter == "dynamo" else str(path),
            dynamo=exporter == "dynamo",
            input_names=input_names,
            output_names=output_names,
            opset_version=OPSET,
            custom_opsets=_domains(model),
            keep_initializers_as_inputs=False,
            verbose=False,
        )
        return onnx.load(path) if program is None else program.model_proto


def _domains(model: nn.Module) -> dict[str, int]:
    """Returns the operator sets besides ONNX's own; torch warns of one that no node is from."""
    has_sparq = any(isinstance(module, SparqActQuantProxy) for module in model.modules())
    return {DOMAIN: DOMAIN_VERSION, **({sparq.DOMAIN: sparq.DOMAIN_VERSION} if has_sparq else {})}


def _input_names(model: nn.Module, count: int) -> list[str]:
    """Names the graph inputs after the arguments of `forward`."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [name for name, argument in inspect.signature(model.forward).parameters.items() if argument.kind in kinds]
    return names[:count] if len(names) >= count else [f"input_{index}" for index in range(count)]


@contextmanager
def _quietly() -> Iterator[None]:
    """Silences what exporters say about themselves and about Brevitas, none of which a user can act upon."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=TracerWarning)
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX export", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding - Only steps=1 can be constant folded", UserWarning)
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        yield
