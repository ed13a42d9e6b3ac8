"""The matrix-vector unit in LUTs against its golden function, in simulation and as gates."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from qonnx.core.datatype import DataType

from brevitas_ext.arith import dot_extremes
from finn_transforms.cost.gate_level import check_gates
from finn_transforms.rtl import MvauLut
from finn_transforms.sim import Bench, Stalls, simulate
from tests.support.mvau_units import mvau_unit, random_weights
from tests.support.rtl_checks import check_units, inputs_of

THRESHOLDS = np.sort(random_weights(DataType["INT8"], (4, 7), 1), axis=1)

# Types, (MW, MH), (PE, SIMD), source and other fields: every kind of product, every kind of folding.
UNITS = [
    mvau_unit(f"unit{index}", types, size, folding, source, **fields)
    for index, (types, size, folding, source, fields) in enumerate(
        [
            ("UINT4 INT4 INT16", (8, 4), (2, 4), "memory", {"num_vectors": (3,)}),
            ("UINT4 INT4 INT16", (6, 4), (2, 3), "memory", {"ram_style": "block"}),
            ("UINT4 INT4 INT16", (8, 2), (2, 4), "memory", {"num_vectors": (2, 2)}),
            ("UINT4 INT4 INT16", (8, 4), (2, 8), "stream", {}),
            ("UINT4 INT4 INT16", (8, 2), (2, 8), "stream", {"num_vectors": (4,)}),
            ("UINT4 INT4 INT16", (8, 2), (2, 8), "memory", {}),
            ("UINT4 INT4 INT16", (16, 4), (4, 16), "constant", {}),
            ("INT8 INT3 INT20", (15, 2), (1, 5), "stream", {"num_vectors": (2,)}),
            ("INT3 INT8 INT20", (15, 2), (2, 15), "constant", {}),
            ("UINT8 UINT8 UINT20", (6, 2), (1, 1), "memory", {}),
            ("UINT1 INT5 INT12", (14, 2), (1, 7), "memory", {}),
            ("INT16 UINT1 INT24", (6, 2), (1, 3), "memory", {}),
            ("TERNARY TERNARY INT8", (9, 3), (3, 9), "constant", {}),
            ("TERNARY TERNARY INT8", (9, 2), (1, 3), "stream", {}),
            ("UINT3 BIPOLAR INT10", (15, 4), (2, 5), "memory", {}),
            ("INT3 BIPOLAR INT10", (14, 4), (2, 7), "stream", {}),
            ("INT3 BIPOLAR INT10", (14, 2), (2, 14), "constant", {}),
            ("BIPOLAR INT3 INT10", (14, 4), (2, 7), "memory", {}),
            ("BIPOLAR UINT2 INT10", (14, 2), (2, 7), "memory", {}),
            ("BIPOLAR INT3 INT10", (14, 2), (2, 14), "constant", {}),
            ("BIPOLAR BIPOLAR UINT6", (33, 4), (2, 11), "memory", {}),
            ("BIPOLAR BIPOLAR UINT6", (33, 2), (2, 33), "constant", {}),
            ("BINARY BINARY UINT5", (16, 2), (1, 8), "memory", {"xnor": True}),
            (
                "UINT4 INT4 INT14",
                (8, 4),
                (2, 4),
                "memory",
                {"thresholds": THRESHOLDS, "output_type": DataType["UINT3"]},
            ),
            (
                "UINT4 INT4 INT14",
                (8, 4),
                (4, 8),
                "constant",
                {"thresholds": THRESHOLDS, "output_type": DataType["INT4"], "bias": -4, "search": "parallel"},
            ),
            ("INT4 INT4 INT14", (8, 3), (1, 4), "memory", {"output_type": DataType["INT20"]}),
            # What the dot products share has more bits than they.
            ("BIPOLAR INT4 INT2", (8, 2), (2, 8), "memory", {"weights": np.eye(8, 2, dtype=np.int64)}),
            # The first input counts nowhere.
            ("UINT3 INT4 INT9", (3, 2), (2, 3), "constant", {"weights": np.array([[0, 0], [1, -8], [7, 1]])}),
        ]
    )
]


def test_every_kind_of_product_and_folding() -> None:
    runs = check_units(UNITS)
    # Registers behind every adder are all that a result waits for.
    assert max(run.latency for run in runs.values()) < 40


def all_vectors(data_type: str, length: int) -> NDArray[np.int64]:
    """Return all vectors of a type as frames of one beat, (frames, 1, length)."""
    kind = DataType[data_type]
    values = [value for value in range(int(kind.min()), int(kind.max()) + 1) if kind.allowed(value)]
    return np.array(list(product(values, repeat=length)))[:, np.newaxis]


def test_all_weights_times_all_inputs() -> None:
    units = []
    for index, (inputs, weights, source) in enumerate(
        [
            ("UINT2", "INT2", "memory"),
            ("INT2", "UINT2", "constant"),
            ("INT2", "INT2", "memory"),
            ("INT2", "TERNARY", "constant"),
            ("UINT2", "TERNARY", "memory"),
            ("BIPOLAR", "BIPOLAR", "memory"),
            ("BIPOLAR", "TERNARY", "memory"),
            ("TERNARY", "BIPOLAR", "memory"),
            ("BINARY", "BINARY", "memory"),
            ("BINARY", "BIPOLAR", "constant"),
            ("BIPOLAR", "BINARY", "memory"),
        ]
    ):
        matrix = all_vectors(weights, 2)[:, 0].T
        types, size = f"{inputs} {weights} INT6", (2, matrix.shape[1])
        units.append(mvau_unit(f"all{index}", types, size, (size[1], 2), source, weights=matrix))
    bench = Bench(units)
    for unit in units:
        vectors = all_vectors(unit.input_type.name, 2)
        np.testing.assert_array_equal(bench.run(unit, [vectors]).outputs[0], unit.golden(vectors)[0], unit.name)


def bits_of(low: int, high: int) -> int:
    """Return the bits of the narrowest two's complement type that holds a range."""
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length()) + 1


def test_extremes_fit_the_narrowest_accumulator_and_no_narrower_one() -> None:
    cases: list[tuple[str, str, tuple[int, int], Any]] = [
        ("UINT4", "INT4", (1, 8), "memory"),
        ("UINT4", "INT4", (4, 24), "constant"),
        ("INT8", "TERNARY", (1, 4), "stream"),
        ("INT4", "BIPOLAR", (1, 6), "memory"),
        ("BIPOLAR", "INT4", (1, 12), "memory"),
    ]
    units, inputs = [], []
    for index, (kind, weight_kind, folding, source) in enumerate(cases):
        types = DataType[kind]
        low, high = int(types.min()), int(types.max())
        matrix = random_weights(DataType[weight_kind], (24, 4), index)
        lowest, highest = dot_extremes(matrix.T, low, high)
        p = bits_of(int(lowest.min()), int(highest.max()))
        up, down = np.argmax(highest), np.argmin(lowest)
        witnesses = [
            np.where(matrix[:, up] > 0, high, low),
            np.where(matrix[:, down] > 0, low, high),
        ]
        for bits in (p, p - 1):
            fields = {} if source == "stream" else {"weights": matrix}
            name = f"extreme{index}_{'narrow' if bits < p else 'minimal'}"
            unit = mvau_unit(name, f"{kind} {weight_kind} INT{bits}", (24, 4), folding, source, **fields)
            units.append(unit)
            given_inputs = [np.array(witnesses).reshape(2, -1, unit.simd)]
            if source == "stream":
                given_inputs.append(np.stack([unit.words_of(matrix)] * 2))
            inputs.append(given_inputs)
    bench = Bench(units)
    for unit, values in zip(units, inputs, strict=True):
        is_equal = np.array_equal(bench.run(unit, values).outputs[0], unit.golden(*values)[0])
        assert is_equal == unit.name.endswith("minimal"), unit.name


TYPES = [
    *("BIPOLAR", "BINARY", "TERNARY"),
    *(f"INT{bits}" for bits in range(2, 9)),
    *(f"UINT{bits}" for bits in range(2, 9)),
]


@st.composite
def drawn_units(draw: st.DrawFn, count: int = 12) -> list[MvauLut]:
    units = []
    for index in range(count):
        pe, simd = draw(st.integers(1, 2)), draw(st.integers(1, 7))
        nf, sf = draw(st.integers(1, 3)), draw(st.integers(1, 4))
        sources = ["memory", "stream", *(["constant"] if nf == sf == 1 else [])]
        types = f"{draw(st.sampled_from(TYPES))} {draw(st.sampled_from(TYPES))} INT{draw(st.integers(22, 30))}"
        source = draw(st.sampled_from(sources))
        vectors = (draw(st.integers(1, 3)),)
        units.append(mvau_unit(f"drawn{index}", types, (sf * simd, nf * pe), (pe, simd), source, num_vectors=vectors))
    return units


@settings(
    max_examples=1,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],  # a build takes seconds: too slow to shrink
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)
@given(drawn_units())
def test_drawn_units(units: list[MvauLut]) -> None:
    check_units(units, frames=4, ways=(Stalls(),))


def test_accumulators_wrap_modulo_their_bits() -> None:
    units = [
        mvau_unit(f"wrapped{index}", f"UINT4 INT4 INT{p}", (16, 2), folding, source)
        for index, (p, folding, source) in enumerate(
            [(2, (1, 4), "memory"), (3, (2, 16), "memory"), (5, (2, 16), "constant"), (7, (1, 4), "memory")]
        )
    ]
    bench = Bench(units)
    for unit in units:
        inputs, p = inputs_of(unit), unit.accumulator_bits
        wanted = (unit.golden(*inputs)[0] + (1 << (p - 1))) % (1 << p) - (1 << (p - 1))
        np.testing.assert_array_equal(bench.run(unit, inputs).outputs[0], wanted, unit.name)


def test_gates_compute_the_same() -> None:
    pytest.importorskip("pyosys")
    units = [
        mvau_unit("gates_memory", "UINT4 INT4 INT12", (8, 4), (2, 4)),
        mvau_unit("gates_stream", "INT3 BIPOLAR INT8", (9, 2), (2, 3), "stream"),
        mvau_unit("gates_constant", "UINT4 INT4 INT12", (6, 2), (2, 6), "constant"),
    ]
    assert check_gates([(unit, inputs_of(unit)) for unit in units], stalls=Stalls(), seed=3) == []


def test_weights_come_in_the_order_of_finns_stream() -> None:
    unit = mvau_unit("order", "UINT4 INT8 INT20", (4, 4), (2, 2))
    matrix = np.arange(16).reshape(4, 4)
    words = unit.words_of(matrix)
    # The first word: inputs 0 and 1 of channel 0, then of channel 1.
    assert words[0].tolist() == [0, 4, 1, 5]
    # Then inputs 2 and 3 of the same channels, then channels 2 and 3.
    assert words[1].tolist() == [8, 12, 9, 13]
    assert words[2].tolist() == [2, 6, 3, 7]
    assert (unit.matrices_of(words[np.newaxis])[0] == matrix).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pe": 3}, "expected PE to divide 4, found 3"),
        ({"simd": 0}, "expected SIMD to divide 8, found 0"),
        ({"weights": np.zeros((4, 8), dtype=int)}, r"shape \(8, 4\)"),
        ({"weights": np.full((8, 4), 0.5)}, "expected integer weights"),
        ({"weights": np.full((8, 4), 9)}, r"expected weights of INT4, found \[9\]"),
        ({"weights": None}, "no weights; give or drop them"),
        ({"weight_source": "stream"}, "expected weights exactly where they are not streamed"),
        ({"weight_source": "constant"}, "expected PE = 4 and SIMD = 8 for constant weights"),
        ({"weight_source": "file"}, "expected weight_source"),
        ({"input_type": DataType["FLOAT32"]}, "expected input_type to be an integer type"),
        ({"accumulator_type": DataType["INT64"]}, "at most 48 bits"),
        ({"accumulator_type": DataType["BIPOLAR"]}, "expected accumulator_type to be an integer type"),
        ({"xnor": True}, "expected BINARY inputs and weights for xnor"),
        ({"output_type": DataType["INT8"]}, "expected an output type of at least 12 bits"),
        ({"bias": 1}, "expected a bias of 0 without thresholds"),
        ({"thresholds": [[3, 2]], "output_type": DataType["UINT2"]}, "ascending"),
        ({"ram_style": "ultra"}, "expected ram_style"),
    ],
)
def test_refusals(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mvau_unit("u", "UINT4 INT4 INT12", (8, 4), (2, 4), **change)  # type: ignore[arg-type]


def test_a_sum_of_one_bit_keeps_no_plane_of_signs() -> None:
    unit = MvauLut(
        name="one_bit", mw=4, mh=2, pe=2, simd=2, weights=np.array([[1, -1], [-1, 1], [1, 1], [1, -1]]),
        input_type=DataType["UINT2"], weight_type=DataType["BIPOLAR"], accumulator_type=DataType["BINARY"],
    )  # fmt: skip
    inputs = inputs_of(unit)
    found = simulate(unit, inputs).outputs[0]
    assert ((found - unit.golden(*inputs)[0]) % 2 == 0).all()
