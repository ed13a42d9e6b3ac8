"""Checkpoints as plain ``npz`` files: exact arrays and a JSON record, nothing that could run code when loaded."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from brevitas_ext.demo.model import DemoConfig, DemoNet, build_model

Record: TypeAlias = dict[str, Any]

_RECORD_KEY = "record.json"


def save_checkpoint(path: Path, model: DemoNet, record: Record) -> None:
    """Write the network's state, its config and a JSON-serialisable record of how it was made."""
    arrays = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    text = json.dumps({"config": asdict(model.config), **record})
    unfinished = path.with_name(f"{path.stem}.unfinished.npz")
    contents: dict[str, Any] = {**arrays, _RECORD_KEY: np.array(text)}
    np.savez_compressed(unfinished, **contents)
    unfinished.replace(path)


def load_checkpoint(path: Path) -> tuple[DemoNet, Record]:
    """Return the network, in eval mode, with exactly the saved state, and its record.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of this module.
        RuntimeError: If its state does not fit the network that its config describes.
    """
    with np.load(path, allow_pickle=False) as content:
        if _RECORD_KEY not in content:
            raise ValueError(
                f"expected an entry {_RECORD_KEY}, found {sorted(content)[:4]}... in {path}: give a checkpoint"
            )
        record: Record = json.loads(str(content[_RECORD_KEY]))
        state = {name: torch.from_numpy(content[name]) for name in content if name != _RECORD_KEY}
    model = build_model(DemoConfig(**record["config"]))
    model.load_state_dict(state)
    return model.eval(), record
