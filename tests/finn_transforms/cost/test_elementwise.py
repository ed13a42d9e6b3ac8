"""Element-wise units: the bits of exact results, tables of small functions, measured products."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qonnx.core.datatype import BaseDataType, DataType

from finn_transforms.cost import estimate, synthesize
from finn_transforms.cost.elementwise import Operands, table_structure
from finn_transforms.cost.products import NARROWEST, WIDEST, key, measured_products, product_luts
from finn_transforms.cost.terms import lut_count
from finn_transforms.rtl import Elementwise

KINDS = st.sampled_from([DataType[name] for name in ("BINARY", "TERNARY", "UINT3", "INT4", "UINT5", "INT6")])


@given(KINDS, KINDS, st.sampled_from(["add", "sub", "mul"]))
def test_bits_are_those_of_every_exact_result(left: BaseDataType, right: BaseDataType, operation: str) -> None:
    operands = Operands(operation=operation, elements=1, left=left, right=right, out_bits=64)  # type: ignore[arg-type]
    values = [np.arange(int(kind.min()), int(kind.max()) + 1) for kind in (left, right)]
    results = [operands.apply(int(a), int(b)) for a, b in product(*values)]
    low, high = min(results), max(results)
    holds = [
        bits for bits in range(1, 20)
        if (-(1 << bits - 1) <= low and high < 1 << bits - 1 if low < 0 else high < 1 << bits)
    ]  # fmt: skip
    assert operands.bits == (holds[0] if high > 0 or low < 0 else 0)


def test_inputs_and_constants_need_no_lut() -> None:
    copied = np.array([[[0b00, 0b01, 0b10, 0b11]]])
    inverted = copied ^ 0b11
    luts = [
        lut_count(table_structure(table, "add", 2).terms, {"handshake_table": 0}).logic for table in (copied, inverted)
    ]
    assert luts == [0, 2]


def test_the_table_has_every_product_and_goes_on_behind_it() -> None:
    table = measured_products()
    for wide in range(1, WIDEST + 1):
        for narrow in range(1, min(wide, NARROWEST) + 1):
            for signs in product((False, True) if wide > 1 else (False,), (False, True) if narrow > 1 else (False,)):
                assert len(table[key(wide, signs[0], narrow, signs[1])]) == 2
    largest = product_luts(WIDEST, True, NARROWEST, True, WIDEST + NARROWEST)
    assert product_luts(16, True, NARROWEST, True, 16 + NARROWEST) > largest
    assert product_luts(16, True, 12, False, 28) > product_luts(16, True, NARROWEST, False, 24)


@pytest.mark.parametrize("elements", [3, 5])
def test_a_product_is_what_was_measured(elements: int, tmp_path: Path) -> None:
    unit = Elementwise(
        name="unit", operation="mul", left_type=DataType["INT5"], right_type=DataType["UINT3"],
        output_type=DataType["INT8"], elements=elements, beats=4,
    )  # fmt: skip
    assert abs(estimate(unit).lut - synthesize(unit, cache=tmp_path).lut) <= 1
