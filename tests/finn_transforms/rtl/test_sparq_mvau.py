"""The SPARQ matrix-vector unit against exact sums, with stalls, and its cycles against those of an 8-bit unit."""

from typing import Any

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from brevitas_ext.arith.sparq import SparqFormat
from brevitas_ext.arith.sparq_code import encode, pack
from finn_transforms.rtl import MvauLut, SparqMvau
from finn_transforms.rtl.streams import Integers
from finn_transforms.sim import Bench
from tests.support.mvau_units import random_weights
from tests.support.rtl_checks import WAYS, check_needs

THRESHOLDS = np.sort(random_weights(DataType["INT16"], (4, 7), 1), axis=1)


def unit_of(
    name: str, sparq: SparqFormat, types: str, size: tuple[int, int], folding: tuple[int, int], **fields: Any
) -> SparqMvau:
    """Return a unit; `types` are those of weights and accumulator, without stored weights where they are streamed."""
    weight_type, accumulator_type = (DataType[text] for text in types.split())
    if fields.get("weight_source") != "stream":
        fields.setdefault("weights", random_weights(weight_type, size, sum(size)))
    return SparqMvau(
        name=name,
        sparq=sparq,
        mw=size[0],
        mh=size[1],
        pe=folding[0],
        simd=folding[1],
        weight_type=weight_type,
        accumulator_type=accumulator_type,
        **fields,
    )


def activations(shape: tuple[int, ...], seed: int) -> Integers:
    """Return activations, half of them 0, so that all kinds of pairs occur; in the first frame all are largest."""
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 256, shape) * generator.integers(0, 2, shape)
    values[0] = 255
    return values


def inputs_of(unit: SparqMvau, frames: int = 6, seed: int = 0) -> list[Integers]:
    beats = unit.inputs[0].beats
    code = pack(encode(activations((frames, beats, unit.simd), seed), unit.sparq), unit.sparq)
    if unit.weights is not None:
        return [code]
    weights = unit.inputs[1]
    return [code, random_weights(unit.weight_type, (frames, weights.beats, weights.elements), seed + 1)]


PAIRS5, PAIRS3, PAIRS2 = (SparqFormat.named(f"4b{count}opt") for count in (5, 3, 2))
UNITS = [
    unit_of("folded", PAIRS5, "INT8 INT24", (16, 4), (2, 4), num_vectors=(3,)),
    unit_of("unrolled", PAIRS3, "INT8 INT20", (8, 3), (3, 8), num_vectors=(2,)),
    unit_of("neurons", PAIRS2, "INT8 INT20", (6, 4), (2, 6)),
    unit_of("synapses", PAIRS5, "INT8 INT24", (10, 2), (2, 2), num_vectors=(2,)),
    unit_of("streamed", PAIRS3, "INT8 INT24", (12, 4), (2, 4), weight_source="stream"),
    unit_of("streamed_once", PAIRS2, "INT8 INT24", (12, 2), (2, 4), weight_source="stream"),
    unit_of("streamed_held", PAIRS2, "INT8 INT24", (4, 2), (1, 4), weight_source="stream"),
    unit_of("block", PAIRS3, "INT4 INT20", (8, 4), (2, 4), ram_style="block"),
    unit_of("three_bits", SparqFormat.named("3b6opt"), "INT8 INT24", (8, 2), (1, 4)),
    unit_of("two_bits", SparqFormat.named("2b7opt"), "UINT8 UINT24", (8, 2), (1, 4)),
    unit_of("five_bits", SparqFormat.named("5b4opt"), "INT8 INT24", (8, 2), (1, 4)),
    unit_of("six_bits", SparqFormat.named("6b3opt"), "TERNARY INT18", (8, 2), (1, 4)),
    unit_of("seven_bits", SparqFormat.named("7b2opt"), "INT8 INT24", (8, 2), (1, 4)),
    unit_of("single", SparqFormat.named("4b5opt", pairs=False), "INT8 INT24", (9, 2), (1, 3)),
    unit_of("one_lane", SparqFormat.named("4b2opt", pairs=False), "BINARY UINT14", (5, 2), (1, 1)),
    unit_of("counted", PAIRS5, "INT8 INT24", (8, 4), (2, 4), thresholds=THRESHOLDS, output_type=DataType["UINT3"]),
]
# All weights of 3 bits for both of a pair, one output each.
EVERY_WEIGHT = np.stack(np.meshgrid(np.arange(-4, 4), np.arange(-4, 4)), axis=-1).reshape(-1, 2).T
EXHAUSTIVE = unit_of("exhaustive", PAIRS5, "INT3 INT12", (2, 64), (64, 2), weights=EVERY_WEIGHT)
# 2 products of 255 * -128 take 17 bits.
NARROW = [
    unit_of(f"bits{bits}", PAIRS5, f"INT8 INT{bits}", (4, 1), (1, 2), weights=np.full((4, 1), -128))
    for bits in (17, 18)
]
# As many multipliers: 8 of 8 x 8 bits.
RACE_SPARQ = unit_of("race_sparq", PAIRS5, "INT8 INT24", (64, 4), (2, 8))
RACE_PLAIN = MvauLut(
    name="race_plain",
    mw=64,
    mh=4,
    pe=2,
    simd=4,
    input_type=DataType["UINT8"],
    weight_type=DataType["INT8"],
    accumulator_type=DataType["INT24"],
    weights=RACE_SPARQ.weights,
)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench([*UNITS, EXHAUSTIVE, *NARROW, RACE_SPARQ, RACE_PLAIN])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_sums_are_exact_whatever_stalls(bench: Bench, unit: SparqMvau) -> None:
    inputs = inputs_of(unit)
    expected = unit.golden(*inputs)[0]
    for seed, stalls in enumerate((None, *WAYS)):
        run = bench.run(unit, inputs, stalls=stalls, seed=seed) if stalls else bench.run(unit, inputs)
        np.testing.assert_array_equal(run.outputs[0], expected, str(stalls))
        check_needs(unit, run)
        if stalls is None:
            assert run.interval == unit.cycles()
            assert run.latency < 20


def test_all_pairs_with_all_weights(bench: Bench) -> None:
    pairs = np.stack(np.meshgrid(np.arange(256), np.arange(256)), axis=-1).reshape(-1, 1, 2)
    code = pack(encode(pairs, PAIRS5), PAIRS5)
    found = bench.run(EXHAUSTIVE, [code]).outputs[0]
    np.testing.assert_array_equal(found[:, 0], PAIRS5(pairs)[:, 0] @ EVERY_WEIGHT)


def test_sums_wrap_in_an_accumulator_that_is_too_narrow(bench: Bench) -> None:
    # One pair of 240s, one of a 255 and a 0: -(240 + 240 + 255) * 128 takes 18 bits.
    code = pack(encode(np.array([[[240, 240], [255, 0]]]), PAIRS5), PAIRS5)
    too_narrow, wide = (bench.run(unit, [code]).outputs[0] for unit in NARROW)
    exact = NARROW[0].golden(code)[0]
    np.testing.assert_array_equal(wide, exact)
    np.testing.assert_array_equal(too_narrow, exact + (1 << 17))


def test_twice_the_throughput_of_an_8_bit_unit_of_equal_multipliers(bench: Bench) -> None:
    assert RACE_SPARQ.multipliers == RACE_PLAIN.pe * RACE_PLAIN.simd == 8
    values = activations((4, RACE_PLAIN.inputs[0].beats, 4), 3)
    plain = bench.run(RACE_PLAIN, [values])
    sparq = bench.run(RACE_SPARQ, [pack(encode(values.reshape(4, -1, 8), PAIRS5), PAIRS5)])
    assert (plain.interval, sparq.interval) == (32, 16)


def test_refuses_what_it_cannot_multiply() -> None:
    with pytest.raises(ValueError, match="expected an even SIMD, found 3"):
        unit_of("odd", PAIRS5, "INT8 INT24", (9, 2), (1, 3))
    with pytest.raises(ValueError, match="expected integer weights from a memory or a stream, found BIPOLAR"):
        unit_of("signs", PAIRS5, "BIPOLAR INT24", (8, 2), (1, 4))
    with pytest.raises(ValueError, match="found INT8 as constant"):
        unit_of("constant", PAIRS5, "INT8 INT24", (8, 2), (2, 8), weight_source="constant")
    with pytest.raises(ValueError, match="expected UINT8 activations, found INT8"):
        unit_of("signed", PAIRS5, "INT8 INT24", (8, 2), (1, 4), input_type=DataType["INT8"])
