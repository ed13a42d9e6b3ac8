import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from brevitas_ext.demo.data import load_dataset

BATCHES = [f"data_batch_{i}" for i in range(1, 6)]


@pytest.fixture(scope="module")
def cifar() -> dict[str, tuple[np.ndarray, list[int]]]:
    """Three random images per batch."""
    random = np.random.default_rng(0)
    return {
        name: (random.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8), random.integers(0, 10, 3).tolist())
        for name in (*BATCHES, "test_batch")
    }


def expected(cifar, names) -> tuple[torch.Tensor, list[int]]:
    images = torch.from_numpy(np.concatenate([cifar[name][0] for name in names]))
    return images, [label for name in names for label in cifar[name][1]]


def write_batches(folder: Path, cifar) -> None:
    folder.mkdir(parents=True)
    for name, (images, labels) in cifar.items():
        batch = {b"data": images.reshape(-1, 3072), b"labels": labels, b"filenames": [b"x.png", b"", b""]}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))


def write_sheets(folder: Path, cifar) -> None:
    folder.mkdir(parents=True)
    for name, (images, _) in cifar.items():
        Image.fromarray(images.reshape(-1, 3, 1024).transpose(0, 2, 1).copy()).save(folder / f"{name}.png")
    (folder / "train_lables.json").write_text(json.dumps([label for name in BATCHES for label in cifar[name][1]]))
    (folder / "test_lables.json").write_text(json.dumps(cifar["test_batch"][1]))


def idx(array: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, dtype=">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize(("write", "subfolder"), [(write_batches, "cifar-10-batches-py"), (write_sheets, "package")])
@pytest.mark.parametrize("inside", [True, False], ids=["folder itself", "folder above"])
def test_both_cifar_layouts_give_the_images_in_file_order(tmp_path, cifar, write, subfolder, inside):
    write(tmp_path / subfolder, cifar)
    place = tmp_path / subfolder if inside else tmp_path
    for split, names in (("train", BATCHES), ("test", ["test_batch"])):
        images, labels = load_dataset(place, split)
        wanted_images, wanted_labels = expected(cifar, names)
        assert images.dtype == torch.uint8
        assert torch.equal(images, wanted_images)
        assert labels.dtype == torch.int64
        assert labels.tolist() == wanted_labels


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_images_are_framed_and_repeated_in_three_colours(tmp_path, zipped):
    grey = np.random.default_rng(1).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    for name, array in (("images-idx3", grey), ("labels-idx1", np.array([3, 1, 4, 1]))):
        path = tmp_path / f"t10k-{name}-ubyte{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    images, labels = load_dataset(tmp_path, "test")
    assert images.shape == (4, 3, 32, 32)
    for colour in range(3):
        assert np.array_equal(images[:, colour, 2:30, 2:30].numpy(), grey)
    assert int(images.sum()) == 3 * int(grey.sum(dtype=np.int64))
    assert labels.tolist() == [3, 1, 4, 1]


def test_a_folder_without_a_data_set_is_refused_with_what_was_found(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(FileNotFoundError, match=r"data_batch_1 .*found holiday\.jpg"):
        load_dataset(tmp_path, "train")


def test_a_missing_file_is_named(tmp_path, cifar):
    write_batches(tmp_path / "cifar-10-batches-py", cifar)
    (tmp_path / "cifar-10-batches-py" / "data_batch_4").unlink()
    with pytest.raises(FileNotFoundError, match="data_batch_4"):
        load_dataset(tmp_path, "train")


def test_a_batch_that_would_call_something_is_refused_before_the_call(tmp_path, cifar):
    class Hostile:
        def __reduce__(self):
            return Path.touch, (tmp_path / "called",)

    folder = tmp_path / "cifar-10-batches-py"
    write_batches(folder, cifar)
    (folder / "test_batch").write_bytes(pickle.dumps({b"data": Hostile(), b"labels": []}))
    with pytest.raises(ValueError, match="expected arrays and lists only"):
        load_dataset(tmp_path, "test")
    assert not (tmp_path / "called").exists()


def test_a_truncated_batch_is_refused(tmp_path, cifar):
    write_batches(tmp_path / "cifar-10-batches-py", cifar)
    batch = tmp_path / "cifar-10-batches-py" / "test_batch"
    batch.write_bytes(batch.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"expected a batch of CIFAR-10 in .*test_batch"):
        load_dataset(tmp_path, "test")


def test_labels_that_do_not_fit_the_images_are_refused(tmp_path, cifar):
    write_sheets(tmp_path / "package", cifar)
    (tmp_path / "package" / "test_lables.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="found 2 for 3"):
        load_dataset(tmp_path, "test")
    (tmp_path / "package" / "test_lables.json").write_text("[1, 2, 10]")
    with pytest.raises(ValueError, match=r"classes 0\.\.9"):
        load_dataset(tmp_path, "test")


def test_a_truncated_idx_file_is_refused(tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 28, 28)))[:-1])
    with pytest.raises(ValueError, match="expected 1568 bytes, found 1567"):
        load_dataset(tmp_path, "test")
