"""The Brevitas side of a SPARQ activation quantizer: integers first, windows afterwards."""

from __future__ import annotations

from typing import Any

from brevitas.core.quant import IntQuant
from brevitas.function.ops_ste import round_ste
from brevitas.proxy import ActQuantProxyFromInjector
from brevitas.quant_tensor import IntQuantTensor, QuantTensor
from torch import Tensor, nn

from brevitas_ext.arith.sparq import ACTIVATION_BITS, Overflow, SparqFormat
from brevitas_ext.quantizers.eager import refuse_jit
from brevitas_ext.quantizers.sparq_pairs import SparqIntegers

_OWN_OPTIONS = ("bits", "shifts", "rounding", "overflow", "pairs", "axis")


class SparqIntQuant(IntQuant):
    """Brevitas's uniform quantizer, whose integers then go through SPARQ's windows.

    Attributes:
        sparq: the windows.
    """

    def __init__(  # noqa: PLR0913 - Brevitas injects what it finds by name
        self,
        narrow_range: bool,
        signed: bool,
        input_view_impl: nn.Module,
        float_to_int_impl: nn.Module,
        bits: int,
        shifts: tuple[int, ...],
        rounding: bool,
        overflow: Overflow,
        pairs: bool,
        axis: int,
        odd_tail: bool,
    ) -> None:
        super().__init__(narrow_range, signed, input_view_impl, float_to_int_impl)
        sparq = SparqFormat(bits=bits, shifts=tuple(shifts), rounding=rounding, overflow=overflow, pairs=pairs)
        self.sparq = SparqIntegers(sparq, axis, odd_tail=odd_tail)

    def forward(self, scale: Tensor, zero_point: Tensor, bit_width: Tensor, x: Tensor) -> Tensor:
        """Return what `x` is worth; the zero point is zero."""
        worth: Tensor = self.sparq(self.to_int(scale, zero_point, bit_width, x))
        return worth * scale


class SparqActQuantProxy(ActQuantProxyFromInjector):
    """Activation proxy that leaves the quantization of what is quantized already to whoever did it.

    Where a layer's input comes as 8-bit unsigned integers, from a `QuantReLU` that returns them, they only go through
    the windows, with the scale that they have; a branch that reads the same tensor keeps its 8 bits.

    Attributes:
        read_scale: the scale of the quantized tensor read last; None after one that was not quantized.
    """

    def __init__(self, quant_layer: nn.Module, quant_injector: Any) -> None:
        _refuse_misuse(quant_layer, quant_injector)
        super().__init__(quant_layer, quant_injector)  # type: ignore[no-untyped-call]
        self.read_scale: Tensor | None = None

    @property
    def sparq(self) -> SparqIntegers:
        """The windows."""
        found: SparqIntegers = self.fused_activation_quant_proxy.tensor_quant.int_quant.sparq
        return found

    def forward(  # type: ignore[override]  # as in the base class, whose own base always returns a QuantTensor
        self, x: Tensor | QuantTensor
    ) -> Tensor | QuantTensor:
        """Return the activations in windows.

        Raises:
            ValueError: the input is signed, not finite, or quantized in another way than to 8 unsigned bits.
        """
        if self.export_mode or not self.is_quant_enabled or not self._reads_integers:
            return super().forward(x)
        if not isinstance(x, QuantTensor):
            if x.ndim:  # Brevitas asks for scales by quantizing a scalar zero
                self.read_scale = None
            self._refuse_signed(x)
            return super().forward(x)
        read = self._checked(x)
        self.read_scale = read.scale.detach()
        value = self.sparq(round_ste(read.value / read.scale)) * read.scale
        if self.skip_create_quant_tensor:
            return value  # type: ignore[no-any-return]
        out = IntQuantTensor(value, read.scale, read.zero_point, read.bit_width, False, self.training)
        if not self.training and self.cache_inference_quant_act and self.cache_class is not None:
            self._cached_act = self.cache_class(out.detach(), self.cache_quant_io_metadata_only)
        return out

    @property
    def _reads_integers(self) -> bool:
        """Whether nothing happens to activations before they are quantized."""
        return isinstance(self.fused_activation_quant_proxy.activation_impl, nn.Identity)

    def _refuse_signed(self, x: Tensor) -> None:
        # NaN compares as false, too.
        if x.numel() and not bool((lowest := x.detach().amin()) >= 0):
            raise ValueError(
                f"{self._where}: expected activations that are not negative, found {lowest.item():g}; SPARQ does not "
                "define signed ones: put it behind a ReLU, and leave layers that read images or signed sums at 8 bits"
            )

    def _checked(self, x: QuantTensor) -> IntQuantTensor:
        if not isinstance(x, IntQuantTensor):
            raise TypeError(f"{self._where}: expected an input quantized to integers, found {type(x).__name__}")
        found = f"{'signed' if x.signed else 'unsigned'}, {x.bit_width.item():g} bits"
        if x.signed or x.bit_width.item() != ACTIVATION_BITS or bool((x.zero_point != 0).any()):
            raise ValueError(
                f"{self._where}: expected an input of {ACTIVATION_BITS} unsigned bits without zero point, found "
                f"{found}, zero point {x.zero_point.flatten()[0].item():g}; quantize it with Uint8ActPerTensorFloat"
            )
        return x

    @property
    def _where(self) -> str:
        return f"SPARQ in {type(self.tracked_module_list[0]).__name__}"


def _refuse_misuse(layer: nn.Module, injector: Any) -> None:
    """Raise if an injector asks for what SPARQ is not, or a layer has nothing to pair."""
    where = f"SPARQ in {type(layer).__name__}"
    refuse_jit(where)
    fixed = {"signed": False, "narrow_range": False, "bit_width": ACTIVATION_BITS}
    for name, expected in fixed.items():
        found = getattr(injector, name)
        if found != expected:
            raise ValueError(
                f"{where}: expected {name}={expected}, which the windows are cut out of, found {found}; set the "
                f"windows by {', '.join(_OWN_OPTIONS)} instead"
            )
    channels, groups = getattr(layer, "in_channels", None), getattr(layer, "groups", 1)
    if channels is None or not injector.pairs:
        return
    if groups > 1 and groups == channels:
        raise ValueError(
            f"{where}: expected channels to pair, found a depthwise convolution, which sums over one channel; set "
            "pairs=False, or leave this layer at 8 bits"
        )
    if channels // groups % 2:
        raise ValueError(
            f"{where}: expected an even number of channels per group, found {channels // groups}: pairs would cross "
            "kernel positions; pad the channels with zeros, set pairs=False, or leave this layer at 8 bits"
        )
