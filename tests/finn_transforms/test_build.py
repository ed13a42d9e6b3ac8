"""The build as a function: what it writes, that it writes all or nothing, and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from qonnx.core.datatype import DataType

from brevitas_ext.qonnx_ops import ContractFormatError
from finn_transforms.build import BuildOptions, NothingConvertedError, build
from finn_transforms.certify import certify
from finn_transforms.cost import MODEL
from finn_transforms.emulate import emulate
from finn_transforms.hw_graph import MvauParams, ShiftMvauParams, read_hw_graph
from finn_transforms.loading import InputError, load_model
from finn_transforms.passes import BrokenContractError
from tests.support.graphs import GraphBuilder
from tests.support.shift_networks import images, needed_bits, shift_network
from tests.support.small_network import CONTRACT_BITS, CONTRACT_LAYER, IMAGE, save_small_network, small_network

REPORTS = {
    "accumulators.json", "certificates.json", "estimate_breakdown.json", "estimate_layer_cycles.json",
    "estimate_layer_resources.json",
    "estimate_network_performance.json", "folding.json", "op_and_param_counts.json", "refusals.json", "rewrites.json",
}  # fmt: skip


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    return save_small_network(tmp_path / "net.onnx")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_build_writes_the_graph_and_every_report(exported: Path, tmp_path: Path) -> None:
    result = build(exported, tmp_path / "out", BuildOptions(target_fps=20_000))
    assert files(tmp_path / "out") == {"hw_graph.onnx", *(f"report/{name}" for name in REPORTS)}
    # Nothing is left beside it.
    assert {path.name for path in tmp_path.iterdir()} == {"net.onnx", "out"}
    assert read_hw_graph(ir.load(tmp_path / "out" / "hw_graph.onnx")) == result.graph
    resources = json.loads((tmp_path / "out/report/estimate_layer_resources.json").read_text())
    assert (
        resources["total"]["LUT"] == result.lut == sum(row["LUT"] for name, row in resources.items() if name != "total")
    )
    breakdown = json.loads((tmp_path / "out/report/estimate_breakdown.json").read_text())
    assert breakdown["model"] == MODEL
    for name, parts in breakdown["layers"].items():
        assert parts["LUT"] == sum(parts["parts"].values()) == sum(parts["used_as"].values()), name


def test_the_written_graph_computes_what_the_exported_one_does(exported: Path, tmp_path: Path) -> None:
    build(exported, tmp_path / "out", BuildOptions(target_fps=20_000))
    images = np.random.default_rng(0).random((5, *IMAGE[1:])).astype(np.float32)
    before, after = load_model(exported), ir.load(tmp_path / "out" / "hw_graph.onnx")
    expected, found = (emulate(model, {"x": images})[str(model.graph.outputs[0].name)] for model in (before, after))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_accumulators_are_reported_with_every_bound(exported: Path, tmp_path: Path) -> None:
    build(exported, tmp_path / "out")
    rows = json.loads((tmp_path / "out/report/accumulators.json").read_text())
    assert [row["k"] for row in rows] == [27, 72, 128]
    for row in rows:
        assert row["needed_bits"] <= row["weight_bound"] <= row["datatype_bound"]
        assert row["needed_bits"] <= row["width"] == DataType[row["data_type"]].bitwidth()
    assert [(row["layer"], row["contract_bits"]) for row in rows] == [
        (None, None), (CONTRACT_LAYER, CONTRACT_BITS), (None, None),
    ]  # fmt: skip
    # The last layer leaves the accelerator: whole bytes.
    assert rows[2]["width"] % 8 == 0


def test_wider_bounds_cost_more(exported: Path) -> None:
    sizes = [build(exported, options=BuildOptions(bound=bound)).lut for bound in ("exact", "weights", "datatype", None)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] < sizes[3]


def test_without_a_target_everything_is_folded(exported: Path) -> None:
    result = build(exported)
    for layer in result.graph.layers:
        assert {getattr(layer, field) for field in ("pe", "simd") if hasattr(layer, field)} == {1}


def test_a_target_is_met_with_no_more_luts_than_finns_folding_takes(exported: Path, tmp_path: Path) -> None:
    finns = build(exported, options=BuildOptions(target_fps=20_000, folding="finn"))
    ours = build(exported, tmp_path / "out", BuildOptions(target_fps=20_000))
    assert ours.folding.cycles <= 10_000
    assert ours.folding.lut < finns.folding.lut
    document = json.loads((tmp_path / "out/report/folding.json").read_text())
    converters = document.pop("width_converters")
    assert document == {
        "method": "cost", "max_cycles": ours.folding.cycles, "LUT": ours.folding.lut,
        "LUT_of_width_converters": ours.folding.converter_lut, "LUT_lower_bound": ours.folding.lut,
        "proven_optimal": True,
    }  # fmt: skip
    assert sum(each["LUT"] for each in converters) == document["LUT_of_width_converters"]
    for each in converters:
        assert each["elements_in"] != each["elements_out"]
        assert {each["from"], each["to"]} <= {layer.name for layer in ours.graph.layers}


def test_a_number_of_luts_gives_the_highest_throughput_that_fits(exported: Path) -> None:
    budget = 4_000
    result = build(exported, options=BuildOptions(max_luts=budget))
    assert result.folding.lut <= budget
    faster = BuildOptions(target_fps=1e9 / 5 / (result.folding.cycles - 1))
    assert build(exported, options=faster).folding.lut > budget


def test_targets_out_of_reach_say_what_can_be_reached(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be faster.*frames/s at 200 MHz") as caught:
        build(exported, tmp_path / "out", BuildOptions(target_fps=1e7))
    fps = float(str(caught.value).rpartition("LUTs, ")[2].partition(" frames")[0])
    assert build(exported, options=BuildOptions(target_fps=fps)).performance["estimated_throughput_fps"] >= 0.9999 * fps
    # FINN's folding goes as far as it can.
    assert build(exported, options=BuildOptions(target_fps=1e7, folding="finn")).folding.cycles > 20
    with pytest.raises(InputError, match=r"at least \d+ LUTs, found 10:"):
        build(exported, tmp_path / "out", BuildOptions(max_luts=10))
    assert not (tmp_path / "out").exists()


def test_compute_decides_between_luts_and_dsp_slices(exported: Path) -> None:
    in_luts, in_dsps = (build(exported, options=BuildOptions(compute=compute)) for compute in ("lut", "dsp"))
    assert all(estimate.dsp == estimate.bram18 == 0 for estimate in in_luts.estimates)
    styles = [
        node.attributes.get_string("preferred_impl_style") for node in in_luts.model.graph if node.op_type == "MVAU"
    ]
    assert styles == ["hls"] * 3
    assert sum(estimate.dsp for estimate in in_dsps.estimates) == 3
    assert in_dsps.options.part == "xczu7ev-ffvc1156-2-e"


def test_a_model_given_as_an_object_stays_as_it_is() -> None:
    model = ir.serde.deserialize_model(small_network())
    before = ir.serde.serialize_model(model)
    result = build(model)
    assert ir.serde.serialize_model(model) == before
    assert len(result.graph) == 11
    assert result.output is None


def test_a_tampered_weight_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    exported = save_small_network(tmp_path / "net.onnx", tamper=True)
    with pytest.raises(BrokenContractError, match=r"'conv2'.*channel 5"):
        build(exported, tmp_path / "out")
    assert files(tmp_path) == {"net.onnx"}


def test_a_failure_while_writing_leaves_an_earlier_result_alone(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(exported, tmp_path / "out")
    before = {name: (tmp_path / "out" / name).read_bytes() for name in files(tmp_path / "out")}

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("finn_transforms.build.write_json", full_disk)
    with pytest.raises(InputError, match="No space left"):
        build(exported, tmp_path / "out", BuildOptions(bound="datatype"))
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files(tmp_path / "out")} == before
    assert {path.name for path in tmp_path.iterdir()} == {"net.onnx", "out"}


def test_a_model_without_anything_to_convert_says_why(tmp_path: Path) -> None:
    graph = GraphBuilder((1, 4))
    onnx.save(graph.proto(graph.node("Sigmoid", [graph.quant("x", 0.1, 8)])), tmp_path / "net.onnx")
    with pytest.raises(NothingConvertedError) as caught:
        build(tmp_path / "net.onnx", tmp_path / "out")
    assert caught.value.refusals
    assert not (tmp_path / "out").exists()


def test_an_unreadable_contract_is_reported(tmp_path: Path) -> None:
    model = small_network()
    model.metadata_props[0].value = "{"
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(ContractFormatError, match="Export the model again"):
        build(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"part": "arty"}, "expected an AMD 7-series"),
        ({"target_fps": 0}, "expected a positive, finite rate"),
        ({"clock_ns": -1}, "expected a positive, finite rate and clock period"),
        ({"target_fps": 1e9}, "at most one frame per clock cycle"),
        ({"bound": "tight"}, "expected one of"),
        ({"compute": "gpu"}, "expected one of"),
        ({"folding": "random"}, "expected one of"),
        ({"max_luts": 0}, "max_luts: expected a positive number, got 0"),
        ({"max_luts": 9000, "target_fps": 1000}, "got both"),
        ({"max_luts": 9000, "folding": "finn"}, "expected 'cost' with max_luts, got 'finn'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        BuildOptions(**options)  # type: ignore[arg-type]


def test_an_output_that_is_a_file_is_refused(exported: Path) -> None:
    with pytest.raises(InputError, match="expected a folder"):
        build(exported, exported)


def test_narrow_accumulators_keep_to_the_variant_that_can_hold_them(exported: Path) -> None:
    result = build(exported, options=BuildOptions(compute="dsp"))
    for node, layer in zip(
        (node for node in result.model.graph if node.op_type == "MVAU"),
        (layer for layer in result.graph.layers if isinstance(layer, MvauParams)),
        strict=True,
    ):
        assert (node.attributes.get_string("preferred_impl_style") == "rtl") == layer.dsp


def test_the_whole_build_runs_without_torch_brevitas_and_finn(exported: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'brevitas', 'finn'): sys.modules[name] = None\n"
        "from finn_transforms.build import BuildOptions, build\n"
        f"build({str(exported)!r}, {str(tmp_path / 'out')!r}, BuildOptions(target_fps=1000))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, check=True)
    assert (tmp_path / "out" / "hw_graph.onnx").is_file()


def test_a_batch_of_several_samples(tmp_path: Path) -> None:
    graph = GraphBuilder((4, 3))
    model = graph.model(graph.node("MatMul", [graph.quant("x", 0.5, 4), graph.weights([[1], [2], [3]])]))
    with pytest.raises(InputError, match=r"input 'x': expected a batch of 1, found shape \[4, 3\]; export again"):
        build(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_units_shift_products_where_that_is_cheaper_and_only_if_they_may(tmp_path: Path) -> None:
    """What was chosen is in the files, with both costs, and certified; every choice computes the same."""
    ir.save(shift_network(contract_bits=needed_bits()), tmp_path / "net.onnx")
    result = build(tmp_path / "net.onnx", tmp_path / "out")
    plain = build(tmp_path / "net.onnx", options=BuildOptions(shift_units=False))
    notes = [rewrite.detail for rewrite in result.rewrites if rewrite.pass_name == "InferShiftMVAU"]
    assert len(notes) == 2
    assert all(" LUTs; products shifted, INT4: " in note for note in notes)
    units = [layer for layer in result.graph.layers if isinstance(layer, ShiftMvauParams)]
    assert units
    assert not any(isinstance(layer, ShiftMvauParams) for layer in plain.graph.layers)
    assert result.folding.lut < plain.folding.lut
    assert [row.data_type for row in result.accumulators] == [row.data_type for row in plain.accumulators]
    assert result.accumulators[0].contract_bits == needed_bits()
    assert not result.graph.unread
    verdicts = certify(tmp_path / "out")
    assert all(verdict.ok for verdict in verdicts)
    assert [verdict.kind for verdict in verdicts] == ["accumulator", "accumulator", "contract"]
    written = load_model(tmp_path / "out" / "hw_graph.onnx")
    name, output = (str(values[0].name) for values in (written.graph.inputs, written.graph.outputs))
    computed = [emulate(model, {name: images()})[output] for model in (written, result.model, plain.model)]
    assert np.array_equal(computed[0], computed[1])
    assert np.array_equal(computed[0], computed[2])
