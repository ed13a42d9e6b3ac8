"""Reading the data that graphs are compared on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.loading import InputError

Array = NDArray[Any]


def read_data(path: Path, limit: int | None = None) -> Array | dict[str, Array]:
    """Read an array (``.npy``), or arrays by input name (``.npz``).

    Args:
        path: the file.
        limit: how many samples to take at most, from the beginning.

    Raises:
        InputError: there is no such file, or it holds no arrays of numbers.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a .npy or .npz file, found none there; check the name")
    try:
        content = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path}: expected a .npy or .npz file, found something else ({error}); write it with numpy.save"
        ) from error
    if isinstance(content, np.ndarray):
        return content[:limit] if content.ndim else content
    with content:
        return {name: content[name][:limit] for name in content.files}


def inputs_of(model: ir.Model) -> list[ir.Value]:
    """Return the graph inputs that have to be given."""
    return [value for value in model.graph.inputs if value.const_value is None]


def feeds(model: ir.Model, data: Array | Mapping[str, Array], other: ir.Model) -> dict[str, Array]:
    """Return data as a graph's inputs by name, checked.

    Args:
        model: the graph.
        data: one array for a graph with one input, or arrays by name.
        other: the other graph; data may go by the names of its inputs, which stand in the same order.

    Raises:
        InputError: names or shapes do not fit, or a value is no number.
    """
    names = [value.name or "" for value in inputs_of(model)]
    given = _by_name(names, data, [value.name or "" for value in inputs_of(other)])
    return {name: _checked(value, given[name]) for name, value in zip(names, inputs_of(model), strict=True)}


def _by_name(names: list[str], data: Array | Mapping[str, Array], alias: list[str]) -> Mapping[str, Array]:
    if not isinstance(data, Mapping):
        if len(names) != 1:
            raise InputError(f"data: expected a .npz file with arrays named {names}, found a single array")
        return {names[0]: data}
    if len(data) == 1 == len(names):
        return dict(zip(names, data.values(), strict=True))
    if data.keys() >= set(names):
        return {name: data[name] for name in names}
    if data.keys() >= set(alias) and len(alias) == len(names):
        return {name: data[other] for name, other in zip(names, alias, strict=True)}
    raise InputError(f"data: expected arrays named {names}, found {sorted(data)}; save them with numpy.savez")


def _checked(value: ir.Value, array: Array) -> Array:
    if array.dtype.kind not in "fiub":
        raise InputError(f"data for {value.name!r}: expected numbers, found {array.dtype}; convert them first")
    array = array.astype(np.float64)
    if value.shape is not None:
        expected = [size if isinstance(size, int) else None for size in value.shape][1:]
        found = list(array.shape[1:])
        fits = len(expected) == len(found) and all(
            size in (None, other) for size, other in zip(expected, found, strict=True)
        )
        if not array.ndim or not fits:
            shape = ", ".join(["N", *(str(size or "any") for size in expected)])
            raise InputError(
                f"data for {value.name!r}: expected shape ({shape}), found {tuple(array.shape)}; put the samples first"
            )
    if not len(array):
        raise InputError(f"data for {value.name!r}: expected at least one sample, found none")
    if (wrong := np.argwhere(~np.isfinite(array))).size:
        raise InputError(
            f"data for {value.name!r}: expected finite numbers, found {array[tuple(wrong[0])]} at "
            f"{wrong[0].tolist()}; check how the data was made"
        )
    return array
