"""The Brevitas side of ShiftQuant: its proxy, and quantized tensors that know the shifts of their channels."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from brevitas.proxy import ActQuantProxyFromInjector
from brevitas.quant_tensor import IntQuantTensor
from torch import Tensor, nn

from brevitas_ext.arith.shift_quant import normalized_axis
from brevitas_ext.quantizers.eager import refuse_jit
from brevitas_ext.quantizers.layers import channels_axis
from brevitas_ext.quantizers.shift_ranges import ShiftTensorQuant

_OPTIONS = ("bits", "bit_width", "groups", "axis", "signed", "stochastic", "seed", "statistics", "momentum")
_INTERNAL = {"tensor_quant", "proxy_class", "narrow_range", "float_to_int_impl_type"}
_ADDED_BY_BREVITAS = {"module", "proxy_module", "act_impl", "passthrough_act"}

_POINTWISE = {
    getattr(F, f"{kind}{dimensions}d")
    for kind in ("max_pool", "adaptive_max_pool", "dropout")
    for dimensions in ("1", "2", "3")
} | {F.dropout, F.relu}
"""What leaves every channel in its place and on its grid, of what Brevitas applies to quantized tensors."""


class ChannelShifts(NamedTuple):
    """What is known of the channels of a quantized tensor.

    Attributes:
        exponents: left shift k of every channel, int64, shape (C,): its integers are multiples of ``2**k``.  That of
            the static ranges, also in training.
        bits: width b of a channel's integers before the shift.
        axis: the channels, counted from the front.
    """

    exponents: Tensor
    bits: int
    axis: int


class ShiftQuantTensor(IntQuantTensor):
    """Integers in units of the last group, whose channels are multiples of known powers of two.

    Pooling by maxima, dropout, ReLU, and flattening channels with all that follows them keep track of the channels.
    All other operations lose it, and the integers in units are what is left.

    Attributes:
        shifts: those of the channels, or None if they are not known.
    """

    shifts: ChannelShifts | None = None

    @classmethod
    def of(cls, quantized: IntQuantTensor, shifts: ChannelShifts | None) -> ShiftQuantTensor:
        """Return a quantized tensor with the shifts of its channels."""
        found = cls(*quantized)
        found.shifts = shifts
        return found

    def set(self, **fields: Any) -> IntQuantTensor:
        """Return the tensor with other fields; it keeps its shifts where its value is the same memory.

        Else it is known to have been shifted, and how is not.
        """
        plain = IntQuantTensor(*(fields.get(name, getattr(self, name)) for name in self._fields))
        return ShiftQuantTensor.of(plain, self.shifts if _is_same_view(plain.value, self.value) else None)

    def flatten(self, *args: Any, **kwargs: Any) -> IntQuantTensor:
        """Return the tensor flattened; a channel becomes a run of elements with its shift."""
        plain: IntQuantTensor = IntQuantTensor(*self).flatten(*args, **kwargs)
        if self.shifts is None or plain.value.shape[:-1] != self.value.shape[: self.shifts.axis]:
            return plain
        rest = self.value.shape[self.shifts.axis + 1 :].numel()
        return ShiftQuantTensor.of(plain, self.shifts._replace(exponents=self.shifts.exponents.repeat_interleave(rest)))

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Apply a function of torch, see the class."""
        out = super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]
        source = args[0] if args else None
        if func in _POINTWISE and isinstance(source, ShiftQuantTensor) and isinstance(out, IntQuantTensor):
            return cls.of(out, source.shifts)
        return out


def _is_same_view(value: Any, other: Tensor) -> bool:
    if not isinstance(value, Tensor):
        return False
    mine, theirs = ((t.data_ptr(), t.shape, t.stride()) for t in (value, other))
    return value is other or mine == theirs


class ShiftActQuantProxy(ActQuantProxyFromInjector):
    """Activation proxy of ShiftQuant.

    Raises:
        TypeError: an option is unknown.
        ValueError: an option has no meaning.
        RuntimeError: Brevitas compiles quantizers to TorchScript.
    """

    def __init__(self, quant_layer: nn.Module, quant_injector: Any) -> None:
        where = f"ShiftQuant in {type(quant_layer).__name__}"
        refuse_jit(where)
        unknown = set(quant_injector.__dependencies__) - {*_OPTIONS, *_INTERNAL, *_ADDED_BY_BREVITAS}
        if unknown:
            raise TypeError(
                f"{where}: expected only the options {', '.join(_OPTIONS)}, found {', '.join(sorted(unknown))}; remove "
                "or rename them"
            )
        super().__init__(quant_layer, quant_injector)  # type: ignore[no-untyped-call]

    @property
    def tensor(self) -> ShiftTensorQuant:
        """The quantizer with its collected ranges."""
        found: ShiftTensorQuant = self.fused_activation_quant_proxy.tensor_quant
        return found

    def freeze(self, frozen: bool = True) -> None:
        """Keep scale and groups as calibrated, in training as well; ``frozen=False`` collects ranges again.

        Raises:
            UncalibratedRangesError: no ranges were collected.
        """
        self.tensor.freeze(frozen)

    def create_quant_tensor(  # type: ignore[override]  # as in the base class, whose own base takes any QuantTensor
        self, qt_args: Any, x: Tensor | IntQuantTensor
    ) -> IntQuantTensor:
        """Return the quantized tensor with the shifts of its channels."""
        plain = super().create_quant_tensor(qt_args, x)
        if self.export_mode or not self.is_quant_enabled:
            return plain
        quantizer = self.tensor
        axis = normalized_axis(plain.value.ndim, quantizer.axis)
        return ShiftQuantTensor.of(plain, ChannelShifts(quantizer.static_exponents(), quantizer.bits, axis))

    def per_channel(self, quantized: IntQuantTensor) -> IntQuantTensor:
        """Return what this quantizer gave in evaluation as b-bit integers with the step of each channel."""
        steps = self.tensor.static_steps(quantized.value.ndim)
        bits = torch.full_like(quantized.bit_width, self.tensor.bits)
        return IntQuantTensor(
            quantized.value, steps, torch.zeros_like(steps), bits, quantized.signed_t, quantized.training_t
        )

    def scale(self, force_eval: bool = True) -> Tensor | None:  # noqa: ARG002 - the signature is Brevitas's
        """Return the static unit, the step of the last group."""
        return self.tensor.static_unit() if self.is_quant_enabled else None

    def zero_point(self, force_eval: bool = True) -> Tensor | None:  # noqa: ARG002
        """Return zero."""
        return torch.zeros_like(self.tensor.static_unit()) if self.is_quant_enabled else None

    def bit_width(self, force_eval: bool = True) -> Tensor | None:  # noqa: ARG002
        """Return the width of integers in units, ``bits + groups - 1``."""
        return self.tensor.coarse_bit_width if self.is_quant_enabled else None


def known_shifts(layer: nn.Module, quant_input: Any) -> ChannelShifts | None:
    """Return the shifts of the input channels of a layer; None if there are none, or they are not known any more."""
    shifts = quant_input.shifts if isinstance(quant_input, ShiftQuantTensor) else None
    return shifts if shifts is None or shifts.axis == channels_axis(layer) % quant_input.value.ndim else None


def channel_shifts(layer: nn.Module, quant_input: ShiftQuantTensor) -> tuple[int, Tensor]:
    """Return width and left shifts of the input channels of a layer.

    Raises:
        ValueError: the shifts are not known any more, or are those of another axis.
    """
    shifts = known_shifts(layer, quant_input)
    if shifts is None:
        raise ValueError(
            f"{type(layer).__name__}: expected the shifts of its input channels, straight from ShiftQuant along their "
            "axis or through pooling by maxima, dropout, ReLU and flattening, found an input that came another way; "
            "set input_quant=ShiftQuantAct in the layer"
        )
    return shifts.bits, shifts.exponents


def freeze_shift_ranges(model: nn.Module, frozen: bool = True) -> None:
    """Freeze all ShiftQuant activation quantizers of a model, or let them collect ranges again.

    Raises:
        UncalibratedRangesError: one has collected none.
    """
    for module in model.modules():
        if isinstance(module, ShiftActQuantProxy) and module.is_quant_enabled:
            module.freeze(frozen)
