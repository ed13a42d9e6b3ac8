from typing import Any

import pytest
import torch
from brevitas.nn import QuantIdentity
from brevitas.quant import (
    Int8ActPerTensorFloatMinMaxInit,
    ShiftedUint8ActPerTensorFloat,
    SignedBinaryActPerTensorConst,
    Uint8ActPerTensorFloatMaxInit,
)
from brevitas.quant_tensor import IntQuantTensor
from torch import nn

from brevitas_ext.accumulators.input_format import NarrowScales, input_format
from brevitas_ext.arith import IntRange


def seen_through(*modules: nn.Module) -> Any:
    """Return the format of what leaves the modules, fed with values that reach both ends of every range."""
    model = nn.Sequential(*modules).eval()
    narrow_scales = NarrowScales()
    with torch.no_grad(), narrow_scales.watch(model):
        output = model(torch.linspace(-9, 9, 128).reshape(1, 2, 8, 8))
        return input_format(output, narrow_scales), output


def activation(act_quant: Any, **options: Any) -> QuantIdentity:
    return QuantIdentity(act_quant=act_quant, return_quant_tensor=True, **options)


SIGNED = {"act_quant": Int8ActPerTensorFloatMinMaxInit, "min_val": -3.0, "max_val": 3.0}
UNSIGNED = {"act_quant": Uint8ActPerTensorFloatMaxInit, "max_val": 3.0}


@pytest.mark.parametrize(
    ("options", "box"),
    [
        (SIGNED, IntRange(-128, 127)),
        (SIGNED | {"bit_width": 4}, IntRange(-8, 7)),
        (SIGNED | {"bit_width": 4, "narrow_range": True}, IntRange(-7, 7)),
        (UNSIGNED | {"bit_width": 3}, IntRange(0, 7)),
        (UNSIGNED | {"bit_width": 3, "narrow_range": True}, IntRange(0, 6)),
        ({"act_quant": SignedBinaryActPerTensorConst, "min_val": -1.0, "max_val": 1.0}, IntRange(-1, 1)),
    ],
)
@pytest.mark.parametrize("between", [(), (nn.MaxPool2d(2), nn.Flatten())], ids=["direct", "pooled"])
def test_the_box_is_what_the_quantizer_gives(options: Any, box: IntRange, between: tuple[nn.Module, ...]) -> None:
    found, output = seen_through(activation(**options), *between)
    assert found.box == box
    assert found.bits == int(options.get("bit_width", 1 if box == IntRange(-1, 1) else 8))
    assert found.signed == (box.low < 0)
    integers = torch.round(output.value / output.scale)
    assert int(integers.max()) == box.high
    if not between:
        assert int(integers.min()) == box.low
    assert found.scale == pytest.approx(float(output.scale))


def test_a_zero_point_shifts_the_box() -> None:
    quantizer = activation(ShiftedUint8ActPerTensorFloat)
    quantizer.train()(torch.tensor([-1.0, 0.0, 3.0]))
    found, output = seen_through(quantizer)
    shift = int(output.zero_point)
    assert shift > 0
    assert found.box == IntRange(-shift, 255 - shift)
    integers = torch.round(output.value / output.scale)
    assert (int(integers.min()), int(integers.max())) == (found.box.low, found.box.high)


def test_padding_belongs_to_the_box() -> None:
    inputs = IntQuantTensor(torch.tensor([4.0, 5.0]), 1.0, -3.0, 2.0, False, False)  # stored 1 and 2, values 3 to 6
    found = input_format(inputs, NarrowScales())
    assert found is not None
    assert found.box == IntRange(0, 6)


def test_what_is_not_quantized_has_no_format() -> None:
    assert input_format(torch.zeros(3), NarrowScales()) is None
    biased_accumulator = IntQuantTensor(torch.zeros(3), 1.0, 0.37, 16.0, True, False)
    assert input_format(biased_accumulator, NarrowScales()) is None


def test_integers_outside_the_stated_range_are_refused() -> None:
    # Brevitas states 1 bit for the sum of two unsigned 1-bit tensors, which reaches 2.
    one = IntQuantTensor(torch.tensor([1.0, 0.0]), 1.0, 0.0, 1.0, False, False)
    total = one + one
    assert float(total.bit_width) == 1
    with pytest.raises(ValueError, match=r"between 0 and 1, .* found 0 to 2"):
        input_format(total, NarrowScales())


def test_formats_of_several_calls_unite() -> None:
    first = input_format(IntQuantTensor(torch.zeros(1), 0.5, 0.0, 4.0, False, False), NarrowScales())
    second = input_format(IntQuantTensor(torch.zeros(1), 0.25, 0.0, 3.0, True, False), NarrowScales())
    assert first is not None
    assert second is not None
    both = first.union(second)
    assert (both.bits, both.signed, both.box, both.scale) == (4, True, IntRange(-4, 15), None)
    assert first.union(first) == first
