"""Time of ShiftMM against torch's products of floats and of plain int8, and against one product per group, in one run.

    OMP_NUM_THREADS=2 python -m benchmarks.shiftquant.shift_mm_speed    # the processor, one thread and two
    python -m benchmarks.shiftquant.shift_mm_speed --device cuda        # the same on a GPU, all routes there

The text of the paper does not give the sizes of its Fig. 6 and 7 ("various sizes of linear layers"); measured are
squares from 256 to 4096, the linear layers of ViT-B/16 on eight images, convolutions of ResNet-20 (CIFAR-10, 128
images) and ResNet-50 (224 x 224, one image) as im2col lays them out, and the paper's own (1024, 288, 32) of Table 8.
Exponents are drawn evenly from 0 to 3, four groups.

Every round times each way once, in an order that rotates; the figure is the smallest time of a way over all rounds,
which is what load from elsewhere disturbs least.  An untimed call goes before each, so that all find the caches alike.
On one thread it is that thread's time on the processor, which leaves out what others run in between; on two it is the
clock on the wall, to be trusted on an idle machine only.  fp16 without instructions for it takes seconds: on a
processor it is timed up to 512 cubed, in few rounds.

Ways of ShiftMM, each at 4, 6 and 8 bits: ``prepared`` with both operands shifted beforehand (weights once, activations
by the quantizer that makes them), ``packed`` with the weights alone prepared, ``whole`` with all the work included.
``grouped`` is the paper's Fig. 3b: rows and columns of each group gathered, a product each, shifted and added.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.recording import RESULTS, record
from brevitas_ext.shift_mm import pack_shift, shift_mm, shift_mm_reference, shift_mm_triton, triton_is_usable
from brevitas_ext.shift_mm.int8_product import int8_product

GROUPS = 4
SIZES = {
    "256 cubed": (256, 256, 256),
    "512 cubed": (512, 512, 512),
    "1024 cubed": (1024, 1024, 1024),
    "2048 cubed": (2048, 2048, 2048),
    "4096 cubed": (4096, 4096, 4096),
    "ViT-B projection": (1576, 768, 768),
    "ViT-B first of MLP": (1576, 768, 3072),
    "ViT-B second of MLP": (1576, 3072, 768),
    "ResNet-20 16 channels": (131072, 144, 16),
    "ResNet-20 64 channels": (8192, 576, 64),
    "ResNet-50 128 channels": (784, 1152, 128),
    "ResNet-50 512 channels": (49, 4608, 512),
    "Table 8": (1024, 288, 32),
}
Ways = dict[str, Callable[[], Any]]


def grouped(a: Tensor, b: Tensor, exponents: Tensor) -> Tensor:
    """Return the product as Fig. 3b lays it out: one int8 product per group of gathered inner indices.

    Groups of a size that cuBLAS does not take (ResNet-20's 36 on a GPU) go by float64.
    """
    total = torch.zeros(a.shape[0], b.shape[1], dtype=torch.int32, device=a.device)
    for exponent in range(GROUPS):
        group = (exponents == exponent).nonzero().flatten()
        total += int8_product(a.index_select(1, group), b.index_select(0, group)) << exponent
    return total


def ways_of(size: tuple[int, int, int], device: str) -> tuple[Ways, Ways]:
    """Return what is measured, and of that what takes a great deal longer than the rest."""
    m, k, n = size
    exponents = torch.arange(k, device=device)[torch.randperm(k)] % GROUPS
    plain: tuple[Tensor, ...] = ()
    ways: Ways = {}
    for bits in (8, 6, 4):
        bound = 2 ** (bits - 1) - 1
        a = torch.randint(-bound, bound + 1, (m, k), dtype=torch.int8, device=device)
        b = torch.randint(-bound, bound + 1, (k, n), dtype=torch.int8, device=device)
        plain = plain or (a, b)
        packed = pack_shift(b, exponents, a_bound=bound, b_bound=bound)
        ready, out = packed.prepare_left(a), torch.empty(m, n, dtype=torch.int32, device=device)
        options = {"a_bound": bound, "b_bound": bound, "out": out}
        new: Ways = {
            f"prepared {bits}": lambda p=packed, r=ready, o=out: p(r, out=o, a_is_prepared=True),
            f"packed {bits}": lambda p=packed, a=a, o=out: p(a, out=o),
            f"whole {bits}": lambda a=a, b=b, o=options: shift_mm(a, b, exponents, **o),
        }
        if device == "cuda" and triton_is_usable():
            new[f"triton {bits}"] = lambda a=a, b=b, o=options: shift_mm_triton(a, b, exponents, **o)
        if bits != 8:
            new[f"grouped {bits}"] = lambda a=a, b=b: grouped(a, b, exponents)
        if m * k * n <= 512**3:
            expected = shift_mm_reference(a, b, exponents)
            wrong = [name for name, way in new.items() if not torch.equal(way().long(), expected)]
            if wrong:
                raise ValueError(f"{size}: {', '.join(wrong)} differ from the reference")
        ways |= new
    a, b = plain
    int32 = torch.empty(m, n, dtype=torch.int32, device=device)
    ways["int8"] = lambda: torch._int_mm(a, b, out=int32)
    slow: Ways = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)):
        left, right, result = a.to(dtype), b.to(dtype), torch.empty(m, n, dtype=dtype, device=device)
        target = slow if name == "fp16" and device == "cpu" else ways
        target[name] = lambda x=left, y=right, o=result: torch.matmul(x, y, out=o)
    return ways, slow if m * k * n <= 512**3 else {}


def smallest_times(ways: Ways, seconds: float, device: str, clock: Callable[[], float]) -> dict[str, float]:
    """Return the smallest time of each way in ms over interleaved rounds that take about `seconds`, at least two."""
    names, best, index = list(ways), dict.fromkeys(ways, float("inf")), 0
    end = time.perf_counter() + seconds
    while index < 3 or time.perf_counter() < end:
        for name in names[index % len(names) :] + names[: index % len(names)]:
            ways[name]()
            synchronise(device)
            start = clock()
            ways[name]()
            synchronise(device)
            if index:  # the first round warms up
                best[name] = min(best[name], 1e3 * (clock() - start))
        index += 1
    return best


def synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def measure(size: tuple[int, int, int], seconds: float, device: str, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    clock = time.thread_time if device == "cpu" and threads == 1 else time.perf_counter
    ways, slow = ways_of(size, device)
    times = smallest_times(ways, seconds, device, clock) | (smallest_times(slow, 0, device, clock) if slow else {})
    return {
        "ms": {name: round(value, 4) for name, value in times.items()},
        "time_over_int8": {name: round(value / times["int8"], 3) for name, value in times.items()},
    }


def processor() -> str:
    """Return the processor's name as Linux gives it."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return names[0] if names else "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seconds", type=float, default=8.0, help="of timing for a size and a number of threads")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    figures: dict[str, Any] = {}
    load_before = os.getloadavg()
    for threads, name in product(options.threads if options.device == "cpu" else [1], options.sizes):
        key = f"{threads} thread{'s' * (threads > 1)}" if options.device == "cpu" else "gpu"
        figures.setdefault(key, {})[name] = {
            "size": SIZES[name],
            **measure(SIZES[name], options.seconds, options.device, threads),
        }
        print(key, name, json.dumps(figures[key][name]["time_over_int8"]), flush=True)
    record(
        options.output or RESULTS / "shiftquant" / f"shift_mm_speed_{options.device}.json",
        {
            "processor": processor(),
            "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
            "vnni": torch.cpu._is_vnni_supported(),
            "load_before": [round(each, 2) for each in load_before],
            "load_after": [round(each, 2) for each in os.getloadavg()],
            "groups": GROUPS,
            "seconds_per_size": options.seconds,
            "seed": 0,
            "figures": figures,
        },
    )


if __name__ == "__main__":
    main()
