"""Refuses weight options that an accumulator-aware quantizer would silently ignore."""

from __future__ import annotations

from typing import Any

from brevitas.core.function_wrapper import RoundToZeroSte
from brevitas.core.scaling import ScalingPerOutputType
from torch import nn

_OPTIONS = ("accumulator_bit_width", "bit_width", "input_bit_width", "input_signed")
_FIXED: dict[str, object] = {
    "signed": True,
    "narrow_range": True,
    "scaling_per_output": ScalingPerOutputType.CHANNEL,
    "scaling_per_output_type": ScalingPerOutputType.CHANNEL,
}
_INTERNAL = {"float_to_int_impl", "layout", "proxy_class", "tensor_quant", "zero_centered"}
_ADDED_BY_BREVITAS = {"module", "proxy_module", "tracked_parameter_list"}


def refuse_ignored_options(layer: nn.Module, injector: Any) -> None:
    """Raise if an injector holds an option without effect.

    A misspelt ``weight_accumulator_bit_width`` would leave the default of 32 bits, and a per-tensor scale or another
    rounding is not what A2Q's guarantee is about.

    Raises:
        TypeError: an option is unknown, or asks for another rounding.
        ValueError: an option has a value that is not supported.
    """
    unknown = set(injector.__dependencies__) - {*_OPTIONS, *_FIXED, *_INTERNAL, *_ADDED_BY_BREVITAS}
    if unknown:
        raise TypeError(
            f"{type(layer).__name__}: expected only the weight options {', '.join(_OPTIONS)}, found "
            f"{', '.join(sorted(unknown))}; remove or rename them"
        )
    for name, supported in _FIXED.items():
        found = getattr(injector, name)
        if found != supported:
            raise ValueError(
                f"{type(layer).__name__}: expected weight_{name}={supported!r}, found {found!r}; remove the option"
            )
    rounding = injector.float_to_int_impl
    if not isinstance(rounding, RoundToZeroSte):
        raise TypeError(
            f"{type(layer).__name__}: expected weights rounded toward zero, found {type(rounding).__name__}; "
            f"remove weight_float_to_int_impl"
        )
