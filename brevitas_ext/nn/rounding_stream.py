"""A layer's own stream of random numbers for stochastic rounding, whose state is two integers."""

from __future__ import annotations

import torch
import torch.distributed
from torch import Tensor

_WORD = (1 << 64) - 1
_STEPS = 16
_NUMBERS_PER_WORD = 64 // _STEPS


class RoundingStream:
    """Uniform noise for stochastic rounding; each draw has its own seed, so that a checkpoint resumes bit for bit.

    The state does not depend on the device, and each process of a distributed training draws noise of its own.

    Attributes:
        seed: what tells streams apart, 0 to 2**63 - 1.
        draws: how many tensors have been drawn.
    """

    def __init__(self, seed: int, draws: int = 0) -> None:
        self.seed = seed
        self.draws = draws

    def noise_like(self, tensor: Tensor) -> Tensor:
        """Return numbers u in (0, 1), uniform on the 2**16 values (r + 1/2) * 2**-16, in the tensor's shape and dtype.

        floor(v + u) is v + 1 with a probability that differs from v's fraction by at most 2**-17, so the bias of the
        rounding is at most 2**-17 steps; 16 bits take a third of the time of `torch.rand`'s 24.  An integer v below
        2**7 stays what it is, since v + u < v + 1 in float32, too.
        """
        generator = torch.Generator(device=tensor.device)
        generator.manual_seed(mixed_seed(self.seed, self.draws, _rank()))
        self.draws += 1
        count = tensor.numel()
        words = torch.empty(-(-count // _NUMBERS_PER_WORD), dtype=torch.int64, device=tensor.device)
        words.random_(-(1 << 63), None, generator=generator)
        numbers = words.view(torch.int16)[:count].view(tensor.shape)
        # int16 counts from -2**15; sum and product are exact, for they have 17 bits.
        middle = torch.full((), 0.5 + 2.0 ** -(_STEPS + 1), dtype=tensor.dtype, device=tensor.device)
        return torch.add(middle, numbers, alpha=2.0**-_STEPS)

    def state(self) -> Tensor:
        """Return seed and draws, int64 (2,)."""
        return torch.tensor([self.seed, self.draws], dtype=torch.int64)

    def load(self, state: Tensor) -> None:
        """Continue where another stream stood.

        Raises:
            ValueError: the state is not two integers.
        """
        if not isinstance(state, Tensor) or state.shape != (2,) or state.is_floating_point():
            raise ValueError(
                f"expected the state of a rounding stream, int64 of shape (2,), found {state!r}: load a checkpoint of "
                "a ShiftQuant layer, or use strict=False for one of a float layer"
            )
        self.seed, self.draws = (int(each) for each in state.tolist())


def _rank() -> int:
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if distributed else 0


def mixed_seed(*numbers: int) -> int:
    """Return 63 bits that depend on all bits of all numbers (splitmix64's finalizer, Steele et al. 2014)."""
    mixed = 0
    for number in numbers:
        mixed = (mixed + number + 0x9E3779B97F4A7C15) & _WORD
        mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & _WORD
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _WORD
        mixed ^= mixed >> 31
    return mixed >> 1
