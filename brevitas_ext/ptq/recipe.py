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
from torch import nn

from brevitas_ext.arith.sparq import SparqFormat
from brevitas_ext.ptq.batch_norm import BatchNormReport, recalibrate_batch_norm
from brevitas_ext.ptq.choices import input_quantizer, layers_to_keep, why_unfit
from brevitas_ext.ptq.exchange import EXCHANGED, calibrated, put, quantized_layer, quantized_relu
from brevitas_ext.ptq.ranges import InputRange, RangeMethod, input_ranges, relu_ranges, result_ranges
from brevitas_ext.ptq.running import Loader
from brevitas_ext.ptq.shared_grid import SumGrid, share_grids
from brevitas_ext.ptq.sums import residual_sums

Unfit: TypeAlias = Literal["refuse", "int8"]
Place: TypeAlias = Literal["inputs", "relu"]


@dataclass(frozen=True, kw_only=True)
class PtqReport:
    """What the recipe did.

    Attributes:
        sparq: layers whose input goes through the windows, with its calibrated range.
        relu: activations that give 8 bits, with their range; none where convolutions quantize their inputs themselves.
        int8: layers whose input has 8 bits because SPARQ does not fit, by the reason.
        linear: linear layers with uniform integers of `linear_bits`, with the range of their inputs.
        sums: layers whose result is added on the grid of a skip branch, by that grid.
        float_sums: sums of two tensors that stay in float, by the reason.
        untouched: convolutions and linear layers left in float.
        batch_norm: what recalibration did; None where it was not asked for.
    """

    sparq: Mapping[str, InputRange]
    relu: Mapping[str, InputRange] = field(default_factory=dict)
    int8: Mapping[str, str] = field(default_factory=dict)
    linear: Mapping[str, InputRange] = field(default_factory=dict)
    sums: Mapping[str, SumGrid] = field(default_factory=dict)
    float_sums: Mapping[str, str] = field(default_factory=dict)
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
    linear_bits: int | None = None,
    unfit: Unfit = "refuse",
    place: Place = "inputs",
    sum_bits: int | None = 9,
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
        linear_bits: width of uniform inputs and weights of linear layers, instead of windows or float.
        unfit: what happens to a layer that SPARQ does not fit, because its input is signed or has no channels to pair:
            an error, or 8 bits.
        place: where activations get their 8 bits: at the inputs of the convolutions, as the authors do, or in the
            ``nn.ReLU`` layers, for all readers alike; the windows are at the inputs either way.  Brevitas adds two
            quantized tensors only if they share their scale; a sum and a quantized tensor, as in a ResNet, it does.
        sum_bits: with ``place="relu"``, width of the signed integers that stand for the result of a layer where it is
            added to a skip branch, with the skip's step times a power of two: sums of integers, as hardware has them,
            see `share_grids`.  None leaves such sums in float.
        activation_bits: width of uniform activations where `windows` is None.
        recalibrate: recalibrate batch normalization with SPARQ active and keep it if that is better on held-back
            images by more than chance, see `recalibrate_batch_norm`.
        recalibration_loader: images for it, which should be augmented as in training; judged on `loader`, of which they
            should not be a part.  By default `loader`, a quarter of each batch held back to judge on.
        weight_quant: Brevitas's weight quantizer.
        bias_quant: its bias quantizer.

    Raises:
        TypeError: a batch holds no images.
        ValueError: SPARQ does not fit a layer, a name is unknown, or there is nothing to quantize.
    """
    _check(unfit, place, linear=linear, linear_bits=linear_bits)
    _check_bits(linear_bits=linear_bits, sum_bits=sum_bits, activation_bits=activation_bits)
    chosen = SparqFormat.named(windows, rounding=rounding) if isinstance(windows, str) else windows
    model = copy.deepcopy(float_model).eval()
    candidates = {name: module for name, module in model.named_modules() if type(module) in EXCHANGED}
    method: dict[str, Any] = {"method": ranges, "percentile": percentile}
    found = input_ranges(model, loader, candidates, **method)
    relus = relu_ranges(model, loader, **method) if place == "relu" else {}
    sums = residual_sums(model) if place == "relu" and sum_bits is not None else []
    shared = [each for each in sums if not each.problem]
    added = {name: model.get_submodule(name) for each in shared for name in each.layers}
    results = result_ranges(model, loader, added, **method) if added else {}
    kept = layers_to_keep(found, candidates, keep, linear=linear or linear_bits is not None)
    fitting: dict[str, InputRange] = {}
    uniform: dict[str, InputRange] = {}
    int8: dict[str, str] = {}
    for name in (name for name in found if name not in kept):
        layer, seen = candidates[name], found[name]
        if isinstance(layer, nn.Linear) and linear_bits is not None:
            quantizer, weights = input_quantizer(None, seen, linear_bits), weight_quant.let(bit_width=linear_bits)
            uniform[name] = seen
        else:
            reason = None if chosen is None else why_unfit(layer, seen, chosen)
            if reason is not None and unfit == "refuse":
                raise ValueError(
                    f"sparq_ptq: expected layers that SPARQ fits, found {name!r} with {reason}; name it in keep=..., "
                    "or set unfit='int8'"
                )
            windowed = chosen if reason is None else None
            quantizer, weights = input_quantizer(windowed, seen, 8 if reason else activation_bits), weight_quant
            if reason is None:
                fitting[name] = seen
            else:
                int8[name] = reason
        put(model, name, quantized_layer(layer, input_quant=quantizer, weight_quant=weights, bias_quant=bias_quant))
    for name, seen in relus.items():
        put(model, name, quantized_relu(calibrated(Uint8ActPerTensorFloat.let(bit_width=activation_bits), seen.high)))
    grids = {} if sum_bits is None else share_grids(model, shared, results, sum_bits)
    batch_norm = None
    if recalibrate:
        images, judge = (loader, None) if recalibration_loader is None else (recalibration_loader, loader)
        batch_norm = recalibrate_batch_norm(model, images, reference=float_model, judge=judge)
    report = PtqReport(
        sparq=fitting,
        relu=relus,
        int8=int8,
        linear=uniform,
        sums=grids,
        float_sums={each.name: each.problem for each in sums if each.problem},
        untouched=tuple(kept),
        batch_norm=batch_norm,
    )
    return PtqResult(model=model, report=report)


def _check(unfit: Unfit, place: Place, *, linear: bool, linear_bits: int | None) -> None:
    if unfit not in get_args(Unfit):
        raise ValueError(f"sparq_ptq: expected unfit out of {get_args(Unfit)}, found {unfit!r}")
    if place not in get_args(Place):
        raise ValueError(f"sparq_ptq: expected place out of {get_args(Place)}, found {place!r}")
    if linear and linear_bits is not None:
        raise ValueError(
            f"sparq_ptq: expected windows or uniform integers for linear layers, found linear=True and "
            f"linear_bits={linear_bits}; leave one out"
        )


def _check_bits(**widths: int | None) -> None:
    for name, bits in widths.items():
        if bits is not None and not 2 <= bits <= 16:
            raise ValueError(f"sparq_ptq: expected {name} of 2 to 16, found {bits}")
