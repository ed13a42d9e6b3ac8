import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qonnx.core.datatype import DataType

from finn_transforms.rtl import Stream

TYPES = ["BINARY", "BIPOLAR", "TERNARY", *(f"{sign}{bits}" for sign in ("INT", "UINT") for bits in (2, 7, 8, 13, 33))]
TYPES += [f"{sign}{bits}" for sign in ("INT", "UINT") for bits in (61, 62, 63, 64)]


@st.composite
def streams_with_values(draw: st.DrawFn) -> tuple[Stream, list[list[int]]]:
    data_type = DataType[draw(st.sampled_from(TYPES))]
    elements, beats = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    low, high = int(data_type.min()), int(data_type.max())
    value = st.integers(low, high).filter(data_type.allowed)
    values = draw(st.lists(st.lists(value, min_size=elements, max_size=elements), min_size=beats, max_size=beats))
    return Stream(name="in0_V", data_type=data_type, elements=elements, beats=beats), values


def word_by_hand(stream: Stream, beat: list[int]) -> int:
    if stream.data_type.name == "BIPOLAR":
        beat = [(value + 1) // 2 for value in beat]
    return sum(
        (value % 2**stream.element_bits) * 2 ** (stream.element_bits * place) for place, value in enumerate(beat)
    )


@given(streams_with_values())
def test_beats_are_the_bits_written_out_and_come_back(case: tuple[Stream, list[list[int]]]) -> None:
    stream, values = case
    words = stream.pack(np.array(values, dtype=object))
    assert words == [word_by_hand(stream, beat) for beat in values]
    assert stream.unpack(words).tolist() == values
    if stream.element_bits < 63:
        assert stream.pack(np.array(values, dtype=np.int64)) == words
        assert stream.unpack(words).dtype == np.int64


def test_bits_above_the_beat_are_not_read() -> None:
    stream = Stream(name="in0_V", data_type=DataType["INT3"], elements=3, beats=1)
    assert stream.tdata_bits == 16
    assert stream.unpack([0xFE00 | 0b111_011_100]).tolist() == [[-4, 3, -1]]


def test_a_value_outside_the_type_is_refused() -> None:
    stream = Stream(name="in0_V", data_type=DataType["BIPOLAR"], elements=2, beats=1)
    with pytest.raises(ValueError, match="expected values of BIPOLAR, found 0"):
        stream.pack(np.array([1, 0]))
