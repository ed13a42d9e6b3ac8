"""What the accuracy tables compare: the paper's window sets, each half of SPARQ alone, and uniform activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from brevitas_ext.arith.sparq import CODES, SparqFormat
from brevitas_ext.ptq import quantize_with_sparq
from brevitas_ext.quantizers.sparq_pairs import SparqIntegers

ALL_INTEGERS: dict[str, Any] = {"keep": (), "unfit": "int8", "place": "relu", "linear_bits": 8}
_STEP_OF_FOUR_BITS = 17
"""255 / 15: how many of 8 bits' steps one of 4 bits' has, over the same range."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One line of a table.

    Attributes:
        windows: name of a window set; None for uniform activations.
        rounding: round instead of trimming.
        pairs: whether the partner of a zero gets a wide window.
        bits: width of uniform activations.
        uniform_narrow: vSPARQ alone: both values of a pair without a zero become uniform 4-bit ones over the layer's
            range, the nearest multiple of 17, and the partner of a zero keeps its 8 bits.
        integers: everything in integers, as one accelerator has it: also the first convolution, which reads 8 signed
            bits, the linear layer, the skip branches and their sums.
    """

    windows: str | None
    rounding: bool = True
    pairs: bool = True
    bits: int = 8
    uniform_narrow: bool = False
    integers: bool = False

    def quantized(self, network: nn.Module, calibration: Sequence[Tensor]) -> nn.Module:
        """Return the Brevitas model that the post-training recipe makes."""
        windows = self.windows and SparqFormat.named(self.windows, rounding=self.rounding, pairs=self.pairs)
        options = ALL_INTEGERS if self.integers else {"activation_bits": self.bits}
        model = quantize_with_sparq(network, calibration, windows=windows or None, **options).model
        if self.uniform_narrow:
            uniform = (torch.arange(CODES) / _STEP_OF_FOUR_BITS).round() * _STEP_OF_FOUR_BITS
            for module in model.modules():
                if isinstance(module, SparqIntegers):
                    module.table[:CODES] = uniform
        return model


SETTINGS: dict[str, Setting] = {
    "A8W8": Setting(windows=None),
    "5opt": Setting(windows="4b5opt"),
    "3opt": Setting(windows="4b3opt"),
    "2opt": Setting(windows="4b2opt"),
    "3-bit 6opt": Setting(windows="3b6opt"),
    "2-bit 7opt": Setting(windows="2b7opt"),
    "A4W8": Setting(windows=None, bits=4),
    "5opt trimmed": Setting(windows="4b5opt", rounding=False),
    "3opt trimmed": Setting(windows="4b3opt", rounding=False),
    "2opt trimmed": Setting(windows="4b2opt", rounding=False),
    "bSPARQ alone, 5opt": Setting(windows="4b5opt", pairs=False),
    "bSPARQ alone, 3opt": Setting(windows="4b3opt", pairs=False),
    "bSPARQ alone, 2opt": Setting(windows="4b2opt", pairs=False),
    "vSPARQ alone": Setting(windows="4b5opt", uniform_narrow=True),
    "bSPARQ alone, 3-bit 6opt": Setting(windows="3b6opt", pairs=False),
    "bSPARQ alone, 2-bit 7opt": Setting(windows="2b7opt", pairs=False),
    "A8W8, all in integers": Setting(windows=None, integers=True),
    "5opt, all in integers": Setting(windows="4b5opt", integers=True),
    "3opt, all in integers": Setting(windows="4b3opt", integers=True),
    "2opt, all in integers": Setting(windows="4b2opt", integers=True),
}
"""In the order in which they are measured."""
