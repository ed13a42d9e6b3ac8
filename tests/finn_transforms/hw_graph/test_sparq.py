"""SPARQ's layers as parameters: shapes in words, pairs that stay together, cycles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brevitas_ext.arith.sparq import SparqFormat
from finn_transforms.folding import FoldingOptions, fold, write_folding
from finn_transforms.folding.candidates import foldings, input_elements, output_elements
from finn_transforms.hw_graph import HwGraph, HwGraphError, SparqEncoderParams, SparqMvauParams, read_hw_graph
from finn_transforms.hw_graph.graph import read_layer
from finn_transforms.impl_style import choose_impl_style
from finn_transforms.passes import InferSparqMVAU
from tests.finn_transforms.passes.test_infer_sparq_mvau import layer
from tests.support.graphs import attributes, only


def params(name: str = "4b5opt", **options: Any) -> tuple[SparqEncoderParams, SparqMvauParams]:
    model = layer("Conv", (1, 4, 5, 5), (6, 4, 3, 3), SparqFormat.named(name, **options))
    InferSparqMVAU()(model)
    encoder, unit = (read_layer(only(model, kind)) for kind in ("SparqEncoder", "SparqMVAU"))
    assert isinstance(encoder, SparqEncoderParams)
    assert isinstance(unit, SparqMvauParams)
    return encoder, unit


def test_pairs_are_words_and_cycles_count_activations() -> None:
    encoder, unit = params()
    assert (encoder.input_shape, encoder.output_shape) == ((1, 5, 5, 4), (1, 5, 5, 2))
    assert (encoder.words, encoder.output_type.name, encoder.cycles()) == (1, "UINT16", 50)
    assert replace(encoder, simd=4).cycles() == 25
    assert (unit.input_shape, unit.output_shape) == ((1, 3, 3, 18), (1, 3, 3, 6))
    assert (unit.stream_type.name, unit.input_words, unit.multipliers) == ("UINT16", 1, 1)
    wider = replace(unit, simd=12, pe=3)
    # Two activations share a multiplier.
    assert (wider.input_words, wider.multipliers, wider.cycles()) == (6, 18, 9 * 3 * 2)


def test_single_activations_have_words_of_their_own() -> None:
    encoder, unit = params("3b6opt", pairs=False)
    assert (encoder.output_shape, encoder.words, encoder.output_type.name) == ((1, 5, 5, 4), 1, "UINT6")
    assert (unit.input_words, unit.multipliers) == (1, 1)


def test_a_pair_is_not_parted() -> None:
    for each in params():
        with pytest.raises(HwGraphError, match="expected an even SIMD, found 1"):
            replace(each, simd=1)
    with pytest.raises(HwGraphError, match="expected SIMD to divide"):
        replace(params()[0], simd=6)


def test_windows_that_mean_nothing_are_refused() -> None:
    model = layer("Conv", (1, 4, 5, 5), (6, 4, 3, 3), SparqFormat.named("4b5opt"))
    InferSparqMVAU()(model)
    node = only(model, "SparqMVAU")
    del node.attributes["bits"]
    with pytest.raises(HwGraphError, match="expected attribute 'bits'"):
        read_layer(node)


def test_only_whole_pairs_are_folded() -> None:
    encoder, unit = params()
    assert [each.simd for each in foldings(encoder) if isinstance(each, SparqEncoderParams)] == [2, 4]
    found = [each for each in foldings(unit) if isinstance(each, SparqMvauParams)]
    assert sorted({each.simd for each in found}) == [2, 4, 6, 12, 18, 36]
    assert sorted({each.pe for each in found}) == [1, 2, 3, 6]
    assert (input_elements(encoder), output_elements(encoder)) == (2, 1)
    assert (input_elements(replace(unit, simd=12)), output_elements(unit)) == (6, 1)


def test_greedy_folding_meets_its_target_and_is_written() -> None:
    model = layer("Conv", (1, 4, 5, 5), (6, 4, 3, 3), SparqFormat.named("4b5opt"))
    InferSparqMVAU()(model)
    graph = read_hw_graph(model)
    folded = fold(graph, FoldingOptions(target_cycles=60))
    assert isinstance(folded, HwGraph)
    assert max(each.cycles() for each in folded.layers) <= 60
    write_folding(model, folded)
    assert read_hw_graph(model).layers == folded.layers
    assert attributes(only(model, "SparqEncoder"))["SIMD"] == 2
    assert attributes(only(model, "SparqMVAU"))["SIMD"] % 2 == 0


def test_it_has_one_variant_whatever_multipliers_are_asked_for() -> None:
    model = layer("Conv", (1, 4, 5, 5), (6, 4, 3, 3), SparqFormat.named("4b5opt"))
    InferSparqMVAU()(model)
    before = attributes(only(model, "SparqMVAU"))
    for compute in ("dsp", "finn"):
        assert choose_impl_style(model, compute) == []
        assert attributes(only(model, "SparqMVAU")) == before
    choose_impl_style(model, "lut")
    assert attributes(only(model, "SparqMVAU")) == {**before, "ram_style": "distributed"}
    (unit,) = (each for each in read_hw_graph(model).layers if isinstance(each, SparqMvauParams))
    assert not unit.dsp
