"""Random networks with branches: every stage computes the same, and FINN's own nodes agree."""

from hypothesis import given, settings

from tests.support.fuzz import EXPECTED_REFUSALS, check_finn, check_stages
from tests.support.random_graphs import Graph, graphs


@settings(max_examples=30)
@given(spec=graphs)
def test_every_stage_computes_the_same(spec: Graph) -> None:
    outcome = check_stages(spec)
    unexpected = [text for text in outcome.refusals if not any(known.search(text) for known in EXPECTED_REFUSALS)]
    assert not unexpected


@settings(max_examples=10)
@given(spec=graphs)
def test_finn_computes_the_same(spec: Graph) -> None:
    check_finn(spec)
