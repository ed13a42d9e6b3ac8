"""Text of read-only memories; what they hold is simulated with the units that read them."""

from typing import Any

import pytest

from finn_transforms.rtl import ReadOnlyMemory
from finn_transforms.rtl.memory import BLOCK_DEPTH


def test_words_are_written_in_their_places() -> None:
    memory = ReadOnlyMemory(name="weights", words=[3, 0, 10], width=4)
    lines = memory.lines("advance")
    assert "wire [1:0] weights_address;" in lines
    assert [line.strip() for line in lines if "_memory[" in line and "'h" in line] == [
        "weights_memory[0] = 4'h3;",
        "weights_memory[1] = 4'h0;",
        "weights_memory[2] = 4'ha;",
    ]
    assert lines[-1] == "always_ff @(posedge ap_clk) if (advance) weights <= weights_memory[weights_address];"


def test_one_word_is_a_constant() -> None:
    lines = ReadOnlyMemory(name="weights", words=[5], width=3).lines("advance")
    assert "assign weights = 3'h5;" in lines
    assert not any("_memory" in line for line in lines)


@pytest.mark.parametrize(
    ("style", "depth", "is_block"),
    [
        ("auto", BLOCK_DEPTH - 1, False),
        ("auto", BLOCK_DEPTH, True),
        ("distributed", BLOCK_DEPTH, False),
        ("block", 2, True),
    ],
)
def test_deep_memories_go_into_block_ram(style: Any, depth: int, is_block: bool) -> None:
    memory = ReadOnlyMemory(name="weights", words=[1] * depth, width=1, style=style)
    assert memory.is_block == is_block
    assert any('ram_style = "block"' in line for line in memory.lines("advance")) == is_block


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"words": []}, "expected at least one word"),
        ({"width": 0}, "expected at least one word of at least one bit"),
        ({"words": [4]}, "expected words of 2 bits, found 4"),
        ({"words": [-1]}, "expected words of 2 bits, found -1"),
        ({"style": "ultra"}, "expected ram_style 'auto', 'distributed' or 'block', found 'ultra'"),
    ],
)
def test_refusals(change: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {"name": "m", "words": [1, 2], "width": 2}
    with pytest.raises(ValueError, match=message):
        ReadOnlyMemory(**fields | change)
