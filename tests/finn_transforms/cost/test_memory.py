"""Memories, counted by hand from the primitives."""

import pytest

from finn_transforms.cost.memory import Memory, bram18, ram, uram


@pytest.mark.parametrize(
    ("words", "width", "xc7", "xcup", "banks"),
    [
        (1, 1, 4, 8, (1, 1)),  # one RAM32M of 6 bits, one RAM32M16 of 14
        (32, 14, 12, 8, (1, 1)),
        (32, 15, 12, 16, (1, 1)),
        (33, 7, 12, 8, (1, 1)),  # three RAM64M of 3 bits, one RAM64M8 of 7
        (64, 16, 24, 24, (1, 1)),
        (65, 3, 8, 16, (2, 2)),
        (200, 4, 32, 32, (4, 4)),
    ],
)
def test_memory_in_luts(words: int, width: int, xc7: int, xcup: int, banks: tuple[int, int]) -> None:
    assert ram(words, width, family="xc7") == Memory(lut=xc7, banks=banks[0])
    assert ram(words, width, family="xcup") == Memory(lut=xcup, banks=banks[1])


@pytest.mark.parametrize(
    ("words", "width", "blocks"),
    [(512, 36, 1), (513, 36, 2), (1024, 18, 1), (2048, 9, 1), (16384, 1, 1), (16385, 1, 2), (2, 37, 2), (1024, 19, 2)],
)
def test_block_memory(words: int, width: int, blocks: int) -> None:
    assert bram18(words, width) == blocks
    assert ram(words, width, in_blocks=True) == Memory(bram18=blocks)


def test_ultra_memory() -> None:
    assert uram(4096, 72) == 1
    assert uram(4097, 73) == 4


def test_nothing_takes_nothing() -> None:
    assert ram(0, 8) == ram(8, 0) == Memory()
