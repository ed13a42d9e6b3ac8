"""Certificates of whole random networks replay, and their witnesses reach the extremes in the emulator."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from finn_transforms.analysis.accumulators import Overflow
from tests.support.fuzz import check_certificates
from tests.support.networks import NetworkSpec, networks, qonnx_network
from tests.support.random_graphs import Graph, graphs, random_graph

overflows: st.SearchStrategy[Overflow] = st.sampled_from(["any_order", "wrap"])


@settings(max_examples=15)
@given(spec=networks(), overflow=overflows)
def test_chains(spec: NetworkSpec, overflow: Overflow) -> None:
    check_certificates(qonnx_network(spec), overflow)


@settings(max_examples=15)
@given(spec=graphs, overflow=overflows)
def test_branches(spec: Graph, overflow: Overflow) -> None:
    check_certificates(random_graph(spec), overflow)
