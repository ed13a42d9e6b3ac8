"""Reading an ONNX file, with errors that say what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]


class InputError(ValueError):
    """What the user gave cannot be used: a file that is missing or no model, or an impossible option."""


def load_model(path: Path) -> ir.Model:
    """Read an ONNX model with its weights.

    Raises:
        InputError: there is no such file, or it is no ONNX model with a graph, or a file with its weights is missing.
    """
    if not path.exists():
        raise InputError(f"{path}: expected an ONNX file, found nothing there; check the name")
    if not path.is_file():
        found = "a folder; name the file in it" if path.is_dir() else "no regular file; check the name"
        raise InputError(f"{path}: expected an ONNX file, found {found}")
    try:
        # Whatever the file's name ends with: onnx would take it for JSON or text by its extension.
        proto = onnx.load(path, format="protobuf")
    except DecodeError as error:
        raise InputError(
            f"{path}: expected an ONNX file, found something else ({error}); export the model again, e.g. with "
            "brevitas_ext.export.export_qonnx"
        ) from error
    except (onnx.checker.ValidationError, FileNotFoundError) as error:
        raise InputError(
            f"{path}: expected its weights beside it, found them missing ({error}); copy the '.data' file along, or "
            "export again into one file"
        ) from error
    if not proto.graph.node or not proto.graph.output:
        raise InputError(f"{path}: expected a graph with nodes and outputs, found none; export the model again")
    return ir.serde.deserialize_model(proto)


def require_one_sample(model: ir.Model) -> None:
    """Check the batch: hardware takes one sample after the other, and nearly nothing of another model is converted.

    Raises:
        InputError: an input is for several samples.
    """
    for value in model.graph.inputs:
        shape = () if value.shape is None else tuple(value.shape)
        if value.const_value is None and len(shape) > 1 and isinstance(shape[0], int) and shape[0] > 1:
            raise InputError(
                f"input {value.name!r}: expected a batch of 1, found shape {list(shape)}; export again with an example "
                "of batch size 1"
            )
