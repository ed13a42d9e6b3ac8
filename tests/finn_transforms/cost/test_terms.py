"""Terms add up, in whole LUTs and both ways."""

from hypothesis import given
from hypothesis import strategies as st

from finn_transforms.cost.terms import COUNTED, Term, amounts, lut_count

PARTS = st.sampled_from(["multipliers", "adder_tree", "accumulator", "weights", "control", "buffer"])
TERMS = st.lists(
    st.builds(
        Term,
        st.sampled_from(["a", "b", COUNTED]),
        st.floats(0, 1000),
        PARTS,
        st.sampled_from(["logic", "memory", "srl"]),
    ),
    max_size=12,
)


@given(terms=TERMS)
def test_both_splits_add_up_to_the_rounded_sum(terms: list[Term]) -> None:
    constants = {"a": 0.3, "b": 1.7}
    found = lut_count(terms, constants)
    exact = sum((constants.get(term.constant, 1.0)) * term.amount for term in terms)
    assert found.breakdown.total == found.logic + found.memory + found.srl
    assert abs(found.breakdown.total - exact) <= 0.5 + 1e-6


def test_amounts_by_constant() -> None:
    terms = [Term("a", 2, "control"), Term(COUNTED, 3, "buffer"), Term("a", 1, "weights")]
    assert amounts(terms) == ({"a": 3}, 3)


def test_what_was_not_fitted_takes_a_lut_per_unit() -> None:
    assert lut_count([Term("unheard of", 4, "control")], {}).logic == 4
