"""Certificates of whole random networks replay, and their witnesses reach the extremes in the emulator."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from finn_transforms.analysis.accumulators import Overflow
from tests.support.fuzz import check_certificates
from tests.support.networks import NetworkSpec, networks, qonnx_network
from tests.support.random_graphs import Block, Graph, QuantSpec, graphs, random_graph

BIT = QuantSpec(bits=1)
POOL_OF_PADDED_SIGNS = Graph(
    channels=1, size=2, input=BIT, end="global_pool", exact=False, tapped=False, seed=0,
    blocks=tuple(
        Block(kind=kind, quant=quant, activation="Identity", weight_bits=2, channels=channels, kernel=1)
        for kind, quant, channels in [
            ("conv", BIT, 1), ("conv", replace(BIT, bipolar=True), 2), ("max_pool", BIT, 1), ("pad", BIT, 1)
        ]
    ),
)  # fmt: skip
overflows: st.SearchStrategy[Overflow] = st.sampled_from(["any_order", "wrap"])


@settings(max_examples=15)
@given(spec=networks(), overflow=overflows)
def test_chains(spec: NetworkSpec, overflow: Overflow) -> None:
    check_certificates(qonnx_network(spec), overflow)


@settings(max_examples=15)
@given(spec=graphs, overflow=overflows)
# The pool has two channels, the annotated type of its input one range for both.
@example(spec=POOL_OF_PADDED_SIGNS, overflow="any_order")
def test_branches(spec: Graph, overflow: Overflow) -> None:
    check_certificates(random_graph(spec), overflow)
