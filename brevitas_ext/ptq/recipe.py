"""SPARQ's post-training recipe, section 5: from a float model to a Brevitas model without training."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from brevitas.quant import (
    Int8BiasPerTensorFloatInternalScaling,
    Int8WeightPerChannelFloat,
    Uint8ActPerTensorFloat,
)
from brevitas.quant.scaled_int import Int8ActPerTensorFloat
from torch import nn

from brevitas_ext.arith.sparq import SparqFormat
from brevitas_ext.ptq.batch_norm import BatchNormReport, recalibrate_batch_norm
from brevitas_ext.ptq.exchange import EXCHANGED, calibrated, put, quantized_layer, quantized_relu
from brevitas_ext.ptq.ranges import InputRange, RangeMethod, input_ranges, relu_ranges
from brevitas_ext.ptq.running import Loader
from brevitas_ext.quantizers.sparq import SparqAct4b5opt

Unfit: TypeAlias = Literal["refuse", "int8"]
Place: TypeAlias = Literal["inputs", "relu"]


@dataclass(frozen=True, kw_only=True)
class PtqReport:
    """What the recipe did.

    Attributes:
        sparq: layers whose input goes through the windows, with its calibrated range.
        relu: activations that give 8 bits, with their range; none where convolutions quantize their inputs themselves.
        int8: layers whose input has 8 bits because SPARQ does not fit, by the reason.
        untouched: convolutions and linear layers left in float.
        batch_norm: what recalibration did; None where it was not asked for.
    """

    sparq: Mapping[str, InputRange]
    relu: Mapping[str, InputRange] = field(default_factory=dict)
    int8: Mapping[str, str] = field(default_factory=dict)
    untouched: tuple[str, ...] = ()
    batch_norm: BatchNormReport | None = None


@dataclass(frozen=True, kw_only=True)
class PtqResult:
    """A quantized model and how it came about."""

    model: nn.Module
    report: PtqReport


def sparq_ptq(float_model: nn.Module, loader: Loader, **options: Any) -> nn.Module:
    """Return a Brevitas model that computes its convolutions with SPARQ activations; the float model stays as it is.

    Args:
        float_model: a model of torch's own layers.
        loader: batches of calibration images, read several times.
        options: see `quantize_with_sparq`, which also says what it did.

    Example:
        >>> model = sparq_ptq(resnet, loader, windows="4b3opt", recalibrate=True)
    """
    return quantize_with_sparq(float_model, loader, **options).model


def quantize_with_sparq(  # noqa: PLR0913 - the choices of the recipe, each with the authors' default
    float_model: nn.Module,
    loader: Loader,
    *,
    windows: str | SparqFormat | None = "4b5opt",
    rounding: bool = True,
    ranges: RangeMethod = "mean_max",
    percentile: float = 99.99,
    keep: Collection[str] | None = None,
    linear: bool = False,
    unfit: Unfit = "refuse",
    place: Place = "inputs",
    activation_bits: int = 8,
    recalibrate: bool = False,
    recalibration_loader: Loader | None = None,
    weight_quant: Any = Int8WeightPerChannelFloat,
    bias_quant: Any = Int8BiasPerTensorFloatInternalScaling,
) -> PtqResult:
    """Quantize a float model as SPARQ's authors do, and say what was done.

    Activations are quantized at the inputs of convolutions, to 8 bits of a calibrated range and then by the windows;
    weights to 8 bits, symmetric per output channel; a bias to 8 bits.  Skip branches read what is in front:
    floats, or, with ``place="relu"``, the 8 bits that the activation layer gives, as hardware has them.

    Args:
        float_model: a model of torch's own layers, which stays as it is.
        loader: batches of calibration images, read several times.
        windows: the name of a window set, a format, or None for plain uniform activations of `activation_bits`.
        rounding: round instead of trimming; for a set given by name.
        ranges: how the range is calibrated, see `input_ranges`.
        percentile: see `input_ranges`.
        keep: names of layers to leave in float; by default the convolution that is called first.
        linear: whether linear layers are quantized, too.
        unfit: what happens to a layer that SPARQ does not fit, because its input is signed or has no channels to pair:
            an error, or 8 bits.
        place: where activations get their 8 bits: at the inputs of the convolutions, as the authors do, or in the
            ``nn.ReLU`` layers, for all readers alike; the windows are at the inputs either way.  Brevitas adds two
            quantized tensors only if they share their scale; a sum and a quantized tensor, as in a ResNet, it does.
        activation_bits: width of uniform activations where `windows` is None.
        recalibrate: recalibrate batch normalization with SPARQ active and keep it if the outputs come closer to the
            float model's, see `recalibrate_batch_norm`.
        recalibration_loader: images for it, which should be augmented as in training; `loader` by default.
        weight_quant: Brevitas's weight quantizer.
        bias_quant: its bias quantizer.

    Raises:
        TypeError: a batch holds no images.
        ValueError: SPARQ does not fit a layer, a name is unknown, or there is nothing to quantize.
    """
    if unfit not in get_args(Unfit):
        raise ValueError(f"sparq_ptq: expected unfit out of {get_args(Unfit)}, found {unfit!r}")
    if place not in get_args(Place):
        raise ValueError(f"sparq_ptq: expected place out of {get_args(Place)}, found {place!r}")
    chosen = SparqFormat.named(windows, rounding=rounding) if isinstance(windows, str) else windows
    model = copy.deepcopy(float_model).eval()
    candidates = {name: module for name, module in model.named_modules() if type(module) in EXCHANGED}
    found = input_ranges(model, loader, candidates, method=ranges, percentile=percentile)
    relus: dict[str, InputRange] = {}
    if place == "relu":
        relus = relu_ranges(model, loader, method=ranges, percentile=percentile)
    kept = _kept(found, candidates, keep, linear=linear)
    fitting: dict[str, InputRange] = {}
    int8: dict[str, str] = {}
    for name in (name for name in found if name not in kept):
        reason = None if chosen is None else _why_unfit(candidates[name], found[name], chosen)
        if reason is not None and unfit == "refuse":
            raise ValueError(
                f"sparq_ptq: expected layers that SPARQ fits, found {name!r} with {reason}; name it in keep=..., or "
                "set unfit='int8'"
            )
        quantizer = _quantizer(chosen if reason is None else None, found[name], 8 if reason else activation_bits)
        layer = quantized_layer(
            candidates[name], input_quant=quantizer, weight_quant=weight_quant, bias_quant=bias_quant
        )
        put(model, name, layer)
        if reason is None:
            fitting[name] = found[name]
        else:
            int8[name] = reason
    for name, seen in relus.items():
        put(model, name, quantized_relu(calibrated(Uint8ActPerTensorFloat.let(bit_width=activation_bits), seen.high)))
    batch_norm = None
    if recalibrate:
        images = loader if recalibration_loader is None else recalibration_loader
        batch_norm = recalibrate_batch_norm(model, images, reference=float_model, judge=loader)
    report = PtqReport(sparq=fitting, relu=relus, int8=int8, untouched=tuple(kept), batch_norm=batch_norm)
    return PtqResult(model=model, report=report)


def _kept(
    found: Mapping[str, InputRange],
    candidates: Mapping[str, nn.Module],
    keep: Collection[str] | None,
    *,
    linear: bool,
) -> list[str]:
    """Return the layers to leave alone, in the order of their calls."""
    convolutions = [name for name in found if not isinstance(candidates[name], nn.Linear)]
    wanted = set(convolutions[:1] if keep is None else keep)
    if unknown := wanted - set(found):
        raise ValueError(
            f"sparq_ptq: expected keep to name layers out of {list(found)}, found {', '.join(sorted(unknown))}"
        )
    kept = [name for name in found if name in wanted or (isinstance(candidates[name], nn.Linear) and not linear)]
    if len(kept) == len(found):
        raise ValueError(
            f"sparq_ptq: expected a layer to quantize beside the first convolution, found only {list(found)}; set "
            "keep=() or linear=True"
        )
    return kept


def _why_unfit(layer: nn.Module, seen: InputRange, sparq: SparqFormat) -> str | None:
    if seen.low < 0:
        return f"a signed input (lowest value {seen.low:g})"
    if not sparq.pairs or isinstance(layer, nn.Linear):
        return None
    channels, groups = layer.in_channels, layer.groups
    if not isinstance(channels, int) or not isinstance(groups, int) or channels // groups % 2 == 0:
        return None
    return f"{channels // groups} channels per group, which make no pairs"


def _quantizer(sparq: SparqFormat | None, seen: InputRange, bits: int) -> Any:
    if sparq is None:
        signed = seen.low < 0
        base = Int8ActPerTensorFloat if signed else Uint8ActPerTensorFloat
        return calibrated(base.let(bit_width=bits), max(seen.high, -seen.low) if signed else seen.high)
    options = {"rounding": sparq.rounding, "overflow": sparq.overflow, "pairs": sparq.pairs}
    return calibrated(SparqAct4b5opt.let(bits=sparq.bits, shifts=sparq.shifts, **options), seen.high)
