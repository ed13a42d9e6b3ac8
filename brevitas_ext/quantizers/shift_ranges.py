"""ShiftQuant as a Brevitas `tensor_quant`: ranges of the batch in training, collected ranges afterwards."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from brevitas_ext.arith.shift_quant import checked_groups, largest_integer, normalized_axis
from brevitas_ext.quantizers._ste import replace
from brevitas_ext.quantizers.brevitas_checkpoint import StateDict
from brevitas_ext.quantizers.shift_tensor import along, channel_ranges, group_steps, grouped_scale, round_levels

Statistics: TypeAlias = Literal["ema", "max"]


class UncalibratedRangesError(RuntimeError):
    """Static ranges are needed, but no batch was seen in training mode."""


class ShiftTensorQuant(nn.Module):
    """Quantizes activations along their channels, each in its group; see `brevitas_ext.arith.shift_quant`.

    In training mode the ranges are those of the batch (dynamic), and are collected per channel.  In evaluation mode,
    and in training once `frozen`, scale and groups follow from the ranges collected (static), and what exceeds them
    saturates.  The gradient is that of the identity, and zero where a value saturates.

    The quantized value is a multiple of the *unit*, the step of the last group, ``scale * 2**-(groups - 1)``: a channel
    of group g holds its b-bit integers times ``2**(groups - 1 - g)``.  That is what this module tells Brevitas, one
    scale for all channels and ``b + groups - 1`` bits, so that biases, sums and pools in units of it are right.

    Attributes:
        bits: width of the integers.
        groups: number of groups.
        axis: the channels.
        signed: whether the integers have a sign.
        statistics: ``"ema"``, exponential moving average of each batch's ranges, or ``"max"``, the largest one.
        momentum: weight of a batch in the average.
        ranges: r_i as collected, shape (C,), a buffer; empty before the first batch.
        frozen: whether training uses and keeps the static ranges.
        observer_only: whether values are left as they are; Brevitas sets it while it calibrates.
        generator: where random numbers for stochastic rounding in training come from; None rounds to nearest.
    """

    ranges: Tensor

    def __init__(  # noqa: PLR0913 - Brevitas injects what it finds by name
        self,
        bit_width: int,
        groups: int,
        axis: int,
        signed: bool,
        stochastic: bool,
        seed: int,
        statistics: Statistics,
        momentum: float,
    ) -> None:
        super().__init__()
        self.limit = largest_integer(bit_width, signed=signed)
        self.bits, self.groups, self.axis, self.signed = bit_width, checked_groups(groups), axis, signed
        if statistics not in get_args(Statistics) or not 0 < momentum <= 1:
            raise ValueError(
                f"ShiftQuant: expected statistics 'ema' or 'max' and a momentum above 0, up to 1, got {statistics!r} "
                f"and {momentum!r}; 'ema' with 0.1 is the default"
            )
        self.statistics, self.momentum = statistics, momentum
        self.frozen = False
        self.observer_only = False
        self.generator = torch.Generator().manual_seed(seed) if stochastic else None
        self.register_buffer("ranges", torch.empty(0))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the quantized tensor, its unit, zero point and bit width.

        Raises:
            UncalibratedRangesError: no ranges were collected.
            ValueError: the tensor has no such axis or another number of channels, holds NaN or an infinity, or, in
                training, negative values without `signed`.
        """
        axis = normalized_axis(x.ndim, self.axis)
        if dynamic := self.training and not self.frozen:
            ranges = channel_ranges(x.detach(), axis=axis, signed=self.signed)
            self._collect(ranges)
            group, scale = self._grouped(ranges)
        else:
            group, scale = self.static()
            self._check_channels(x.shape[axis])
        steps = along(group_steps(scale, group), x.ndim, axis)
        value = x if self.observer_only else self._quantized(x, steps, dynamic=dynamic)
        return value, self._unit(scale), torch.zeros_like(scale), self.coarse_bit_width

    def static(self) -> tuple[Tensor, Tensor]:
        """Return the group of every channel, (C,), and the scale, (), that the collected ranges give.

        Raises:
            UncalibratedRangesError: none were collected.
        """
        if not self.ranges.numel():
            raise UncalibratedRangesError(
                "ShiftQuant: expected calibrated ranges, found none; run some batches in training mode, or within "
                "brevitas.graph.calibrate.calibration_mode, before evaluation and export"
            )
        return self._grouped(self.ranges.to(torch.promote_types(self.ranges.dtype, torch.float32)))

    def static_unit(self) -> Tensor:
        """Return the step of the last group, shape (), that the collected ranges give."""
        return self._unit(self.static()[1])

    def static_steps(self, ndim: int) -> Tensor:
        """Return the step of every channel, in the shape that broadcasts along a tensor of `ndim` dimensions.

        That is ``(C,)`` where channels come last, else with ones around, e.g. ``(1, C, 1, 1)``.
        """
        group, scale = self.static()
        axis = normalized_axis(ndim, self.axis)
        steps = group_steps(scale, group)
        return steps if axis == ndim - 1 else along(steps, ndim, axis)

    def static_exponents(self) -> Tensor:
        """Return the left shift of every channel's integers in units, ``groups - 1 - g``, int64, shape (C,)."""
        return self.groups - 1 - self.static()[0]

    @property
    def coarse_bit_width(self) -> Tensor:
        """Width of the integers in units, a float tensor as Brevitas has it."""
        return torch.tensor(float(self.bits + self.groups - 1), device=self.ranges.device)

    def freeze(self, frozen: bool = True) -> None:
        """Keep the ranges as they are, in training as well, or collect again.

        Raises:
            UncalibratedRangesError: none were collected.
        """
        if frozen:
            self.static()
        self.frozen = frozen

    def get_extra_state(self) -> Tensor:
        """Return whether the ranges are frozen, and the generator's state, for the state dict.

        One tensor of bytes, the first of which is the flag: torch's exporter takes nothing but tensors.
        """
        state = [] if self.generator is None else [self.generator.get_state()]
        return torch.cat([torch.tensor([self.frozen], dtype=torch.uint8), *state])

    def set_extra_state(self, state: Tensor) -> None:
        """Take over what `get_extra_state` returned; the generator stays as it is where only one of both has one."""
        self.frozen = bool(state[0])
        if self.generator is not None and state.numel() > 1:
            self.generator.set_state(state[1:].clone().cpu())  # a copy is aligned, which generators ask for

    def _quantized(self, x: Tensor, steps: Tensor, *, dynamic: bool) -> Tensor:
        lowest = -self.limit if self.signed else 0
        with torch.no_grad():
            levels = x / steps
            # Dynamic ranges clip nothing but what rounding the scale added.
            masked = x.requires_grad and not dynamic
            inside = (levels >= lowest - 0.5) & (levels <= self.limit + 0.5) if masked else None
            stochastic = dynamic and self.generator is not None
            integers = round_levels(
                levels.clamp_(lowest, self.limit),
                stochastic=stochastic,
                generator=self._generator_on(x.device) if stochastic else None,
            )
            value = (integers * steps).to(x.dtype)
        return replace(x if inside is None else torch.where(inside, x, x.detach()), value)

    def _generator_on(self, device: torch.device) -> torch.Generator | None:
        """Return the generator, or, on an accelerator, one with a seed drawn from it.

        What the state dict holds is thus the same everywhere, and moves from one device to another.
        """
        if self.generator is None or device.type == "cpu":
            return self.generator
        seed = int(torch.randint(1 << 62, (), generator=self.generator))
        return torch.Generator(device=device).manual_seed(seed)

    def _grouped(self, ranges: Tensor) -> tuple[Tensor, Tensor]:
        return grouped_scale(ranges, bits=self.bits, groups=self.groups, signed=self.signed)

    def _unit(self, scale: Tensor) -> Tensor:
        return scale * 2.0 ** (1 - self.groups)

    @torch.no_grad()
    def _collect(self, ranges: Tensor) -> None:
        if not self.ranges.numel():
            self.ranges = ranges.to(self.ranges)
            return
        self._check_channels(ranges.numel())
        if self.statistics == "max":
            self.ranges.copy_(torch.maximum(self.ranges, ranges.to(self.ranges)))
        else:
            self.ranges.lerp_(ranges.to(self.ranges), self.momentum)

    def _check_channels(self, channels: int) -> None:
        if channels != self.ranges.numel():
            raise ValueError(
                f"ShiftQuant: expected {self.ranges.numel()} channels, for which ranges were collected, found "
                f"{channels} along axis {self.axis}; set axis=..., or give this place a quantizer of its own"
            )

    def _load_from_state_dict(self, state_dict: StateDict, prefix: str, *rest: Any) -> None:
        stored = state_dict.get(f"{prefix}ranges")
        if stored is not None:
            self.ranges = self.ranges.new_empty(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)
