"""The learned parameters of an accumulator-aware weight quantizer."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any

import torch
from brevitas import config as brevitas_config
from brevitas.function.ops_ste import scalar_clamp_min_ste
from torch import Tensor, nn

from brevitas_ext.quantizers.a2q import A2QConfig, a2q_integers
from brevitas_ext.quantizers.brevitas_checkpoint import SMALLEST_SCALE, StateDict, convert_brevitas_keys
from brevitas_ext.quantizers.rows import ChannelRows, float_rows

_WIDEST_HALF_PRECISION_WEIGHT = 8

# One object per configuration, which computes its budget once, not in every step.
_config = lru_cache(maxsize=None)(A2QConfig)


class A2QTensorQuant(nn.Module):
    """Quantizes one weight with A2Q or A2Q+, given the format of the layer's input.

    Brevitas keeps two scales, one inside the norm and one for dequantization, which drift apart in training; here a
    single one serves both, as in A2Q Eq. 20-23.

    Attributes:
        log_scale: d, the log2 of the scale per output channel, in the shape that broadcasts against the weight.
        log_norm: t, the log2 of the norm parameter, likewise.
        layout: how the weight's rows lie.
        weight_bits: M.
        accumulator_bits: P.
        zero_centered: A2Q+ instead of A2Q.
    """

    bit_width: Tensor
    zero_point: Tensor
    accumulator_bit_width: Tensor

    def __init__(
        self,
        tracked_parameter_list: list[nn.Parameter],
        layout: ChannelRows,
        bit_width: int,
        accumulator_bit_width: int,
        zero_centered: bool,
    ) -> None:
        super().__init__()
        weight = tracked_parameter_list[0]
        self.layout = layout
        self.weight_bits = int(bit_width)
        self.accumulator_bits = int(accumulator_bit_width)
        self.zero_centered = zero_centered
        self.config(input_bits=1, input_signed=False)  # an impossible width is reported here, not in the first forward
        shape = layout.channel_shape
        dtype, device = weight.dtype, weight.device
        self.register_buffer("bit_width", torch.tensor(float(bit_width), dtype=dtype, device=device), persistent=False)
        self.register_buffer("zero_point", torch.tensor(0.0, dtype=dtype, device=device), persistent=False)
        self.register_buffer("accumulator_bit_width", torch.tensor(self.accumulator_bits, device=device))
        self.log_scale = nn.Parameter(torch.empty(shape, dtype=dtype, device=device))
        self.log_norm = nn.Parameter(torch.empty(shape, dtype=dtype, device=device))
        self.initialize(weight)

    def config(self, *, input_bits: int, input_signed: bool, input_narrow: bool = False) -> A2QConfig:
        """Return the configuration for an input format."""
        return _config(
            weight_bits=self.weight_bits,
            accumulator_bits=self.accumulator_bits,
            input_bits=input_bits,
            input_signed=input_signed,
            zero_centered=self.zero_centered,
            input_narrow=input_narrow,
        )

    @torch.no_grad()
    def initialize(self, weight: Tensor) -> None:
        """Set the scale so that the largest weight of a channel takes the widest integer, and the norm to the weight's.

        A channel of zeros tells nothing; it starts with the largest scale and norm of the layer.
        """
        rows = float_rows(self.layout, weight)
        centered = rows - rows.mean(dim=1, keepdim=True) if self.zero_centered else rows
        largest = torch.linalg.vector_norm(rows, ord=torch.inf, dim=1, keepdim=True)
        norm = torch.linalg.vector_norm(centered, ord=1, dim=1, keepdim=True)
        self.set_parameters(_zeros_as_largest(largest) / ((1 << (self.weight_bits - 1)) - 1), norm)

    @torch.no_grad()
    def set_parameters(self, scale: Tensor, norm: Tensor) -> None:
        """Set the scale s and the norm g of every channel, shape (C, 1); a norm of 0 becomes the layer's largest."""
        self.log_scale.copy_(scale.log2().view_as(self.log_scale))
        self.log_norm.copy_(_zeros_as_largest(norm).log2().view_as(self.log_norm))

    def effective_log_scale(self) -> Tensor:
        """Return d in at least float32, shape (C, 1), kept above the smallest usable scale."""
        # A half-precision type that cannot hold Brevitas's floor gets its smallest normal number: below it, an integer
        # times the scale would not be a multiple of the scale any more.
        floor = math.log2(max(SMALLEST_SCALE, torch.finfo(self.log_scale.dtype).tiny))
        clamped: Tensor = scalar_clamp_min_ste(_column(self.log_scale), floor)
        return clamped

    def effective_log_norm(self) -> Tensor:
        """Return t in at least float32, shape (C, 1)."""
        return _column(self.log_norm)

    def forward(
        self, weight: Tensor, config: A2QConfig, factors: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the dequantized weight, its scale, its zero point (0) and its bit width.

        Args:
            weight: the layer's weight.
            config: `config` for the format of the layer's input.
            factors: powers of two by which the input of each weight is multiplied, shape (C, K), or None.

        Raises:
            ValueError: a half-precision weight wider than 8 bits, whose integers would not survive dequantization.
        """
        if weight.dtype.itemsize == 2 and self.weight_bits > _WIDEST_HALF_PRECISION_WEIGHT:
            raise ValueError(
                f"A2Q: expected at most {_WIDEST_HALF_PRECISION_WEIGHT} weight bits in {weight.dtype}, found "
                f"{self.weight_bits}; use a narrower weight or a float32 model"
            )
        scale = torch.exp2(self.effective_log_scale())
        integers = a2q_integers(float_rows(self.layout, weight), self.effective_log_norm(), scale, config, factors)
        scale = scale.to(weight.dtype).view(self.layout.channel_shape)
        return self.layout.weight(integers).to(weight.dtype) * scale, scale, self.zero_point, self.bit_width

    def _load_from_state_dict(  # noqa: PLR0913 - the signature is torch's
        self,
        state_dict: StateDict,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        if not any(key.startswith(prefix) for key in state_dict) and brevitas_config.IGNORE_MISSING_KEYS:
            return  # the state of a float model: the start taken from its weights stays
        convert_brevitas_keys(state_dict, prefix)
        self._keep_accumulator_bits(state_dict, prefix)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    def _keep_accumulator_bits(self, state_dict: StateDict, prefix: str) -> None:
        """The layer's own P holds: a checkpoint may be the start of training for a narrower accumulator."""
        key = prefix + "accumulator_bit_width"
        if key not in state_dict:
            return
        found = int(state_dict[key])
        if found != self.accumulator_bits:
            warnings.warn(
                f"{prefix}: the checkpoint was trained for a {found}-bit accumulator and is loaded into a layer of "
                f"{self.accumulator_bits} bits, whose bound holds; set weight_accumulator_bit_width={found} to get "
                f"the checkpoint's integers",
                stacklevel=2,
            )
        state_dict[key] = self.accumulator_bit_width


def _column(parameter: Tensor) -> Tensor:
    return parameter.view(-1, 1).to(torch.promote_types(parameter.dtype, torch.float32))


def _zeros_as_largest(norms: Tensor) -> Tensor:
    largest = norms.max()
    return torch.where(norms > 0, norms, torch.where(largest > 0, largest, 1.0))
