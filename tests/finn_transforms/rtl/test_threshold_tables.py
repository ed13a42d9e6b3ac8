import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finn_transforms.rtl.threshold_tables import comparison, literal, search_order, table


@given(st.integers(1, 6).flatmap(lambda bits: st.tuples(st.just(bits), st.lists(st.integers(0, 2**bits), min_size=1))))
def test_a_comparison_reaches_what_its_thresholds_do(case: tuple[int, list[int]]) -> None:
    bits, thresholds = case
    node = comparison(np.array(thresholds), bits)
    assert 1 <= node.bits <= bits + 1
    for value in range(2**bits):
        seen = value >> node.drop
        reached = [seen > entry if node.strict else seen >= entry for entry in node.entries]
        assert reached == [value >= threshold for threshold in thresholds]
        assert max(node.entries) < 2**node.bits


@pytest.mark.parametrize(
    ("thresholds", "found"),
    [
        ([1, 7, 9, 250], (0, 8, True)),
        ([0, 7, 9, 250], (0, 8, False)),  # 0 is always reached
        ([1, 7, 9, 256], (0, 8, True)),  # 256 never
        ([0, 7, 9, 256], (0, 9, False)),  # both
        ([16, 32, 48, 240], (4, 4, True)),
        ([256, 256, 256, 256], (7, 1, True)),
        ([0, 0, 0, 0], (7, 1, False)),
    ],
)
def test_it_compares_no_more_bits_than_it_needs(thresholds: list[int], found: tuple[int, int, bool]) -> None:
    node = comparison(np.array(thresholds), 8)
    assert (node.drop, node.bits, node.strict) == found


def test_steps_of_the_carry_chain_fill_the_luts() -> None:
    generator = np.random.default_rng(0)
    groups = [comparison(generator.integers(1, 2**16, 2**address), 16).group for address in range(8)]
    assert groups == [5, 4, 3, 2, 1, 1, 2, 2]
    assert comparison(generator.integers(1, 2**16, 2**8), 16, block=True).group == 2
    assert comparison(np.array([3, 9]), 4).group == 0


def test_addresses_without_influence_are_not_counted() -> None:
    assert comparison(np.array([5, 77, 5, 77, 5, 77]), 7).address_bits == 1
    assert comparison(np.array([5, 5, 5, 77, 5]), 7).address_bits == 2
    assert comparison(np.full(6, 5), 7).address_bits == 0


def test_the_search_asks_for_each_threshold_once_and_halves_what_is_left() -> None:
    assert search_order(3) == [[3], [1, 5], [0, 2, 4, 6]]
    for bits in range(1, 9):
        asked = [threshold for stage in search_order(bits) for threshold in stage]
        assert sorted(asked) == list(range(2**bits - 1))


@pytest.mark.parametrize("count", [1, 2, 5, 8, 13, 64])
def test_multiplexers_find_every_entry(count: int) -> None:
    """What ``bfx_threshold_node.sv`` does, in Python."""
    node = comparison(np.random.default_rng(count).integers(1, 2**12, count), 12)
    width = (count - 1).bit_length()
    rows = table(node, 13).reshape(13, 2**width)
    for address, entry in enumerate(node.entries):
        found = 0
        for index in range(node.bits):
            column = list(rows[index])
            for level in range(width):
                step = 1 if index // width % 2 == 0 else width - 1
                high = address >> (index + level * step) % width & 1
                column = [column[2 * place + high] for place in range(len(column) // 2)]
            found |= int(column[0]) << index
        assert found == entry


def test_block_memories_have_their_words_in_order() -> None:
    node = comparison(np.arange(1, 71), 8, block=True)
    rows = table(node, 9, block=True).reshape(128, 9)
    assert tuple((rows << np.arange(9)).sum(axis=1)[:70]) == node.entries


def test_the_first_value_of_a_literal_is_lowest() -> None:
    assert literal([1, 2, 0], 4) == "12'h21"


def test_a_long_literal_comes_in_parts() -> None:
    parts = literal([1] + [0] * 16_384, 1)
    assert parts.startswith("{16384'h0, 1'h1}")
