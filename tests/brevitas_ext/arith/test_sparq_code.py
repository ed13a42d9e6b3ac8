"""The encoded form: every pair comes back, every field does what the encoding says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brevitas_ext.arith.sparq import WINDOW_SETS, SparqFormat
from brevitas_ext.arith.sparq_code import SparqCode, decode, encode, from_bits, pack, to_bits, unpack, word_bits

PAIRS = np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij"), axis=-1)
OTHER_SETS = [(3, (0, 5)), (2, (0, 6)), (2, (0, 3, 6)), (5, (0, 3)), (4, (0, 1, 4))]
FORMATS = [
    *(
        SparqFormat.named(name, rounding=rounding, overflow=overflow, pairs=pairs)
        for name in WINDOW_SETS
        for rounding, overflow, pairs in ((True, "saturate", True), (True, "carry", True), (False, "saturate", False))
    ),
    *(SparqFormat(bits=bits, shifts=shifts) for bits, shifts in OTHER_SETS),
]


@pytest.mark.parametrize("sparq", FORMATS, ids=str)
def test_all_pairs_come_back_from_their_code_words_and_bits(sparq: SparqFormat) -> None:
    code = encode(PAIRS, sparq)
    expected = sparq(PAIRS)
    assert np.array_equal(decode(code, sparq), expected)
    words = pack(code, sparq)
    assert 0 <= words.min() <= words.max() < 1 << word_bits(sparq)
    assert np.array_equal(from_bits(to_bits(words[:3], sparq), sparq), words[:3])
    again = unpack(words, sparq)
    assert np.array_equal(again.data, code.data)
    assert np.array_equal(again.shift, code.shift)
    assert np.array_equal(decode(again, sparq), expected)


@pytest.mark.parametrize("sparq", [sparq for sparq in FORMATS if sparq.pairs], ids=str)
def test_two_small_products_with_chosen_weights_are_the_dot_product(sparq: SparqFormat) -> None:
    w0, w1 = -77, 113
    code = encode(PAIRS, sparq)
    shifted = code.data << np.array(sparq.shift_table)[code.shift]
    assert code.mux is not None
    first_weight = np.where(code.mux & 2, w1, w0)
    second_weight = np.where(code.mux & 1, w0, w1)
    dot = shifted[..., 0] * first_weight + shifted[..., 1] * second_weight
    assert np.array_equal(dot[..., 0], sparq(PAIRS) @ [w0, w1])


def test_mux_tells_which_value_is_zero_before_trimming() -> None:
    mux = encode([[0, 0], [9, 0], [0, 9], [9, 4]], SparqFormat(bits=2, shifts=(0, 6), rounding=False)).mux
    assert mux is not None
    assert mux.tolist() == [[0], [1], [2], [0]]


def test_the_fields_are_those_of_the_documentation() -> None:
    code = encode([0x9C, 0, 0, 0x9C, 27, 33], SparqFormat.named("4b5opt", rounding=False))
    assert code.data.tolist() == [[0xC, 0x9], [0x9, 0xC], [13, 8]]
    assert code.shift.tolist() == [[0, 4], [4, 0], [1, 2]]
    wide = encode([0b10110100, 0], SparqFormat.named("3b6opt"))
    assert (wide.data.tolist(), wide.shift.tolist()) == ([[0b101, 0b101]], [[2, 5]])


def test_the_window_sets_of_the_paper_need_no_further_shifts() -> None:
    for name, (_, shifts) in WINDOW_SETS.items():
        assert SparqFormat.named(name).shift_table == shifts
    widths = {name: word_bits(SparqFormat.named(name)) for name in ("4b5opt", "4b3opt", "4b2opt", "3b6opt", "2b7opt")}
    assert widths == {"4b5opt": 16, "4b3opt": 14, "4b2opt": 12, "3b6opt": 14, "2b7opt": 12}


def test_a_packed_pair_has_its_fields_in_the_documented_order() -> None:
    sparq = SparqFormat.named("4b3opt", rounding=False)
    (word,) = pack(encode([255, 27], sparq), sparq)
    assert format(word, "014b") == "00" + "01" + "0110" + "10" + "1111"


@given(st.lists(st.integers(0, 255), min_size=1, max_size=9))
def test_an_odd_tail_is_encoded_beside_a_zero(row: list[int]) -> None:
    sparq = SparqFormat.named("4b2opt")
    assert np.array_equal(decode(encode(row, sparq), sparq, length=len(row)), sparq(row))


SPARQ = SparqFormat.named("4b2opt")
ALONE = SparqFormat.named("4b2opt", pairs=False)
ZERO = np.zeros((1, 2), dtype=np.int64)


@pytest.mark.parametrize(
    ("code", "sparq", "message"),
    [
        (SparqCode(data=ZERO, shift=ZERO, mux=np.array([3])), SPARQ, "MuxCtrl from 0 to 2"),
        (SparqCode(data=ZERO + 16, shift=ZERO, mux=np.array([0])), SPARQ, "data from 0 to 15"),
        (SparqCode(data=ZERO, shift=ZERO + 2, mux=np.array([0])), SPARQ, "ShiftCtrl from 0 to 1"),
        (SparqCode(data=ZERO, shift=ZERO, mux=None), SPARQ, "with MuxCtrl"),
        (SparqCode(data=ZERO, shift=ZERO, mux=np.array([0])), ALONE, "without MuxCtrl"),
        (SparqCode(data=ZERO, shift=ZERO[:, :1], mux=np.array([0])), SPARQ, "of one shape"),
        (SparqCode(data=ZERO, shift=ZERO, mux=np.array([0, 0])), SPARQ, "of one shape"),
    ],
)
def test_codes_that_no_pair_has_are_refused(code: SparqCode, sparq: SparqFormat, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(code, sparq)


def test_words_lengths_and_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="words of 12 bits, got 4096"):
        unpack([4096], SPARQ)
    with pytest.raises(ValueError, match="a length that goes with 2 fields, got 3"):
        decode(encode([1, 2], SPARQ), SPARQ, length=3)
    with pytest.raises(ValueError, match="got a scalar"):
        encode(1, SPARQ)
    with pytest.raises(ValueError, match="words of 12 bits along the last axis"):
        from_bits([0, 1], SPARQ)
