"""ShiftQuant layers under DistributedDataParallel, in two processes."""

import os
import socket
import time
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from brevitas_ext.nn import ShiftQuantConv2d, ShiftQuantLinear
from brevitas_ext.nn.rounding_stream import RoundingStream

PATIENCE = timedelta(seconds=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def worker(rank: int, folder: str, port: int) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    store = dist.TCPStore("127.0.0.1", port, world_size=2, is_master=rank == 0, timeout=PATIENCE)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=PATIENCE)
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
    dist.barrier()  # neither leaves while the other one needs it
    dist.destroy_process_group()


def test_processes_train_one_model_with_noise_of_their_own(tmp_path: Path) -> None:
    started = mp.spawn(worker, (str(tmp_path), free_port()), nprocs=2, join=False)
    end = time.monotonic() + 2 * PATIENCE.total_seconds()
    while not started.join(timeout=1):
        if time.monotonic() > end:
            for process in started.processes:
                process.kill()
            pytest.fail("the processes wait for each other")
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(value, second["state"][name]) for name, value in first["state"].items())
    assert first["state"]["0._extra_state"][1] == 3
    assert not torch.equal(first["noise"], second["noise"])
    seed = int(first["state"]["0._extra_state"][0])
    assert torch.equal(first["noise"], RoundingStream(seed).noise_like(torch.zeros(50)))
