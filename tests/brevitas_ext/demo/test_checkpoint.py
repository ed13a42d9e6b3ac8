import numpy as np
import pytest
import torch

from brevitas_ext.demo.checkpoint import load_checkpoint, save_checkpoint
from brevitas_ext.demo.model import DemoConfig, build_model


@pytest.mark.parametrize(
    "config",
    [DemoConfig(variant="float"), DemoConfig(variant="qat"), DemoConfig(variant="a2q", accumulator_bits=12)],
    ids=lambda config: config.variant,
)
def test_a_checkpoint_gives_back_every_bit(tmp_path, config):
    model = build_model(config)
    save_checkpoint(tmp_path / "net.npz", model, {"seed": 5})
    loaded, record = load_checkpoint(tmp_path / "net.npz")
    assert loaded.config == config
    assert record["seed"] == 5
    assert not loaded.training
    before, after = model.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) and before[key].dtype == after[key].dtype for key in before)
    assert [path.name for path in tmp_path.iterdir()] == ["net.npz"]


def test_another_npz_file_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(ValueError, match=r"found \['weights'\]"):
        load_checkpoint(tmp_path / "other.npz")
