"""ShiftQuant layers under DistributedDataParallel, in two processes."""

from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from brevitas_ext.nn import ShiftQuantConv2d, ShiftQuantLinear
from brevitas_ext.nn.rounding_stream import RoundingStream


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    meeting, patience = f"file://{folder}/rendezvous", timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=patience)
    torch.manual_seed(0)
    model = nn.Sequential(ShiftQuantConv2d(3, 4, 3), nn.Flatten(), ShiftQuantLinear(64, 2))
    parallel = DistributedDataParallel(model)
    noise = model[0].rounding.noise_like(torch.zeros(50))
    torch.manual_seed(rank)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        parallel(torch.randn(4, 3, 6, 6)).square().mean().backward()
        optimizer.step()
    torch.save({"state": model.state_dict(), "noise": noise}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_processes_train_one_model_with_noise_of_their_own(tmp_path: Path) -> None:
    mp.spawn(worker, (str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(value, second["state"][name]) for name, value in first["state"].items())
    assert first["state"]["0._extra_state"][1] == 3
    assert not torch.equal(first["noise"], second["noise"])
    seed = int(first["state"]["0._extra_state"][0])
    assert torch.equal(first["noise"], RoundingStream(seed).noise_like(torch.zeros(50)))
