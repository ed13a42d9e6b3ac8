"""Writing a file that is either complete and proved, or not there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import onnx


def write_atomically(model: onnx.ModelProto, target: Path, prove: Callable[[onnx.ModelProto], None]) -> None:
    """Writes a model beside its target, reads it back, proves it, and only then gives it its name.

    Args:
        model: The model to write.
        target: Its path. A file that is there already stays until the new one replaces it.
        prove: Raises if the model as read back is not what it has to be.

    Raises:
        ValueError: the model is larger than the 2 GiB that one file holds.
    """
    if model.ByteSize() >= onnx.checker.MAXIMUM_PROTOBUF:
        raise ValueError(
            f"Expected a model below 2 GiB, found {model.ByteSize()} bytes. Split the model into several files."
        )
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(model.SerializeToString())
        prove(onnx.load(temporary))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
