"""Tables of constants: counted by hand, and as Yosys maps them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_transforms.cost import synthesize
from finn_transforms.cost.rom import random_rom_luts, rom_luts
from finn_transforms.rtl import MvauLut


def random_bits(words: int, width: int) -> np.ndarray:
    return np.random.default_rng(words).integers(0, 2, (words, width)).astype(bool)


@pytest.mark.parametrize(
    ("words", "per_bit"), [(1, 0), (12, 1), (64, 1), (100, 2), (128, 2), (144, 4), (200, 4), (256, 4)]
)
def test_random_content_as_synthesised(words: int, per_bit: int) -> None:
    # pyosys 0.70, synth_xilinx -family xcup, eight bits per word.
    assert rom_luts(random_bits(words, 8)) == random_rom_luts(words, 8) == 8 * per_bit


def test_equal_and_simple_columns_take_nothing_more() -> None:
    bits = random_bits(64, 1)
    address = np.arange(64)
    simple = np.stack([np.zeros(64), np.ones(64), address & 1, address >> 5 & 1], axis=1).astype(bool)
    assert rom_luts(simple) == 0
    assert rom_luts(np.hstack([bits, bits, simple])) == 1
    # Equal halves of a deeper table are one function.
    assert rom_luts(np.vstack([bits, bits])) == 1


def test_more_than_256_words_take_choices_besides() -> None:
    assert random_rom_luts(512, 4) == 4 * (8 + 1)
    assert random_rom_luts(1024, 4) == 4 * (16 + 1)


def test_words_that_are_missing_are_zeros() -> None:
    # Of the second block, a column has one word: all columns that have it share a LUT.
    assert rom_luts(random_bits(65, 8)) == 8 + 1


def test_a_memory_of_a_unit_is_mapped_so(tmp_path: Path) -> None:
    sparse = np.random.default_rng(0).integers(-1, 2, (4 * 300, 1)) * (np.arange(1200) % 3 == 0)[:, None]
    stored = MvauLut(
        name="unit", mw=1200, mh=1, pe=1, simd=4, input_type=DataType["UINT2"], weight_type=DataType["INT4"],
        accumulator_type=DataType["INT12"], weights=sparse, ram_style="distributed",
    )  # fmt: skip
    streamed = replace(stored, weights=None, weight_source="stream", ram_style="auto")
    ours, theirs = (synthesize(unit, cache=tmp_path).lut for unit in (stored, streamed))
    bits = (stored.words_of(sparse)[:, :, None] >> np.arange(4) & 1).reshape(300, -1).astype(bool)
    assert ours - theirs == pytest.approx(rom_luts(bits), abs=6)
