"""Exporting a Brevitas model to a QONNX file whose integers are the trained ones."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
from torch import Tensor, nn

from brevitas_ext.accumulators import trace_layers
from brevitas_ext.export.checks import check_exporter, check_inputs, check_model, check_target, count_outputs
from brevitas_ext.export.finishing import finish
from brevitas_ext.export.proof import build_contract, prove_contract, prove_integers
from brevitas_ext.export.recording import record
from brevitas_ext.export.session import TracedQuantizer, export_mode, restored
from brevitas_ext.export.tracing import Exporter, trace
from brevitas_ext.export.writing import write_atomically
from brevitas_ext.qonnx_ops.accumulator_contract import METADATA_KEY


def export_qonnx(
    model: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    path: str | os.PathLike[str],
    *,
    exporter: Exporter = "torchscript",
) -> Path:
    """Writes a Brevitas model to a QONNX file that computes with the trained integers.

    - The integers of every weight and bias in the file are those of the model, bit for bit, whatever the weight
      quantizer's rounding is. The file is read back and this is proved before it appears under its name.
    - Layers trained for an accumulator width (A2Q, A2Q+) carry their contract in the model metadata, see
      `AccumulatorContract`; it is proved by the exact extremes of their dot products.
    - A stock onnxruntime runs the file, since every QONNX operator comes with a function body, and so does QONNX.
    - Quantizer nodes are named after the quantizers, e.g. `features.0.weight_quant`; see `verify_export`.

    The model is left as it was, also by an error, except that accumulator-aware weight quantizers may learn the format
    of their inputs.

    Args:
        model: A model of float32 parameters whose inputs and outputs are tensors.
        example: Its input, or a tuple of several; the file takes inputs of exactly these shapes.
        path: The file to write, in an existing folder. An existing file is replaced at once or not at all.
        exporter: Which of torch's exporters to use: `"torchscript"`, or `"dynamo"`, which needs torch 2.8 and
            onnxscript.

    Returns:
        The path.

    Raises:
        UnsupportedModuleError: the model holds something that QONNX, or this export, cannot express.
        ContractViolationError: a layer trained for an accumulator width can overflow it.
        ExportMismatchError: float32 does not hold the integers, or a contract cannot be given.
        FileNotFoundError: the folder does not exist.
        TypeError: `example` or the model's output is of another type.
        ValueError: the exporter is unknown.
        ImportError: the dynamo exporter is not available.

    Example:
        >>> export_qonnx(model, torch.zeros(1, 3, 32, 32), "model.onnx")
        PosixPath('model.onnx')
    """
    target = check_target(path)
    inputs = check_inputs(example)
    check_exporter(exporter)
    check_model(model)
    calls, output = record(model, inputs)
    layers = trace_layers(model, inputs)
    contract = build_contract(layers)
    traced, tagged = _traced(model, inputs, exporter, count_outputs(output))
    finished = finish(traced, tagged, {METADATA_KEY: contract.to_json()} if contract.layers else {})

    def prove(written: onnx.ModelProto) -> None:
        onnx.checker.check_model(written, full_check=True)
        prove_integers(written, calls)
        prove_contract(written, layers, calls)

    write_atomically(finished, target, prove)
    return target


def _traced(
    model: nn.Module, inputs: tuple[Tensor, ...], exporter: Exporter, outputs: int
) -> tuple[onnx.ModelProto, dict[str, TracedQuantizer]]:
    try:
        with restored(model):
            model.eval()
            with export_mode(model, inputs, dynamo=exporter == "dynamo") as quantizers:
                return trace(model, inputs, exporter, outputs), quantizers
    except Exception as error:
        error.add_note(
            f"export_qonnx: {type(model).__name__} could not be traced with the {exporter} exporter. Nothing was "
            "written, and the model is as it was before."
        )
        raise
