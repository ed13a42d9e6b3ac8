"""Tables of constants: counted by hand, and as Yosys maps them."""

import numpy as np
import pytest

from finn_transforms.cost.rom import random_rom_luts, rom_luts


def random_bits(words: int, width: int) -> np.ndarray:
    return np.random.default_rng(words).integers(0, 2, (words, width)).astype(bool)


@pytest.mark.parametrize(
    ("words", "per_bit"), [(1, 0), (12, 1), (64, 1), (65, 2), (128, 2), (144, 4), (200, 4), (256, 4)]
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
