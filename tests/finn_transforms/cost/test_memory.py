"""Memories, counted by hand from the primitives."""

import pytest

from finn_transforms.cost.memory import Memory, ram, rom


@pytest.mark.parametrize(
    ("depth", "width", "luts"),
    [
        (1, 100, 0),
        (2, 3, 4),  # one RAM64M or RAM32M
        (32, 6, 4),  # one RAM32M
        (33, 6, 8),  # two RAM64M, one bank
        (64, 16, 24),  # six RAM64M
        (65, 3, 8 + 3),  # two banks of one RAM64M; a choice of two per bit
        (184, 4, 24 + 4),  # three banks of two RAM64M
        (156, 32, 120 + 64),  # five banks of six RAM32M; a choice of five takes two LUTs per bit
    ],
)
def test_ram_in_luts(depth: int, width: int, luts: int) -> None:
    assert ram(depth, width, "distributed") == Memory(lut=luts)
    assert ram(depth, width, "distributed", count=3) == Memory(lut=3 * luts)


@pytest.mark.parametrize(("depth", "width", "luts"), [(1, 9, 0), (2, 9, 9), (64, 9, 9), (65, 9, 18), (640, 1, 10)])
def test_rom_in_luts(depth: int, width: int, luts: int) -> None:
    assert rom(depth, width, "distributed") == Memory(lut=luts)
    assert rom(depth, width, "distributed", count=2, luts_per_bit=0.5) == Memory(lut=luts)


@pytest.mark.parametrize(
    ("depth", "width", "blocks"),
    [(512, 36, 1), (513, 36, 2), (1024, 18, 1), (2048, 9, 1), (16384, 1, 1), (16385, 1, 2), (2, 37, 2), (1024, 19, 2)],
)
def test_block_memory(depth: int, width: int, blocks: int) -> None:
    for kind in (ram, rom):
        assert kind(depth, width, "block", count=2) == Memory(bram18=2 * blocks)


def test_ultra_memory() -> None:
    for kind in (ram, rom):
        assert kind(4097, 73, "ultra") == Memory(uram=4)


def test_auto_changes_over_where_finn_does() -> None:
    for kind in (ram, rom):
        assert kind(128, 8, "auto").lut > 0 == kind(128, 8, "auto").bram18
        assert kind(129, 8, "auto") == Memory(bram18=1)
