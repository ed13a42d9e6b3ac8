"""Modules that can be counted by hand, synthesised."""

from pathlib import Path

import pytest

from finn_transforms.cost import SynthesisError, Utilization, Yosys, synthesize
from finn_transforms.cost.synthesis import Synthesis
from tests.support.verilog_units import Module


@pytest.mark.parametrize(
    ("kind", "logic", "memory", "srl", "ff", "carry"),
    [
        # Nine sum bits of two octets, the last of which is the carry out; the third CARRY4 only hands it over.
        ("adder", 8, 0, 0, 9, 3),
        # Two bits of each number per carry bit; both LUTs of it share a site.
        ("comparator", 8, 0, 0, 0, 2),
        # Five bits per carry bit where the other number is known.
        ("fixed_comparator", 5, 0, 0, 0, 2),
        ("delay", 0, 0, 4, 0, 0),
        ("tapped_delay", 0, 0, 4, 0, 0),
    ],
)
def test_7_series_counts(kind: str, logic: int, memory: int, srl: int, ff: int, carry: int) -> None:
    found = synthesize(Module(kind=kind), "xc7")
    assert (found.lut_logic, found.lut_memory, found.lut_srl, found.ff, found.carry) == (logic, memory, srl, ff, carry)
    assert found.lut == logic + memory + srl
    assert (found.bram18, found.uram, found.dsp) == (0, 0, 0)
    assert found.tool.startswith("pyosys ")


def test_three_operands_share_sites_only_where_the_sum_is_registered() -> None:
    registered = synthesize(Module(kind="three_operands"), "xcup")
    assert (registered.lut, registered.lut_without_ternary, registered.luts_before_packing) == (9, 16, 16)
    # The two lowest bits of the chain drive no sum.
    loose = synthesize(Module(kind="three_operands_unregistered"), "xcup")
    assert (loose.lut, loose.lut_without_ternary, loose.luts_before_packing) == (14, 16, 16)


def test_ultrascale_plus_has_wider_carries() -> None:
    found = synthesize(Module(kind="adder"), "xcup")
    assert (found.lut, found.ff, found.carry, found.family) == (8, 9, 2, "xcup")
    assert found.critical_path is not None
    assert found.critical_path.lut_levels == 1


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_distributed_memory(family: str) -> None:
    # 32 words of 12 bits: 6 bits per RAM32M with its 4 LUTs, or 14 bits per RAM32M16 with its 8.
    found = synthesize(Module(kind="memory"), family)
    assert (found.lut_logic, found.lut_memory, found.lut_srl, found.ff) == (0, 8, 0, 0)


def test_block_memory() -> None:
    # 1024 words of 54 bits: a block of 36 Kbit for 36 of them, one of 18 Kbit for the rest.
    found = synthesize(Module(kind="block_memory"), "xc7")
    assert (found.lut, found.bram18) == (0, 3)


def test_dsp_blocks_only_where_asked_for() -> None:
    assert synthesize(Module(kind="product"), "xcup", dsp=True).dsp == 1
    without = synthesize(Module(kind="product"), "xcup")
    assert without.dsp == 0
    assert without.lut > 50


def test_an_index_into_other_registers_is_no_shift_register() -> None:
    found = synthesize(Module(kind="multiplexer"), "xc7")
    assert (found.lut_srl, found.ff) == (0, 0)
    # Five LUT6 per bit would do; Yosys takes up to seven.
    assert 10 <= found.lut <= 14


def test_the_short_flow_for_designs_without_memories_finds_the_same_cells() -> None:
    full = Synthesis(Module(kind="mixture"), Yosys(family="xc7", lean=False)).result()
    assert full == synthesize(Module(kind="mixture"), "xc7")
    assert full.lut_srl
    assert full.carry


def test_results_survive_being_written() -> None:
    found = synthesize(Module(kind="adder"), "xc7")
    assert Utilization.from_json(found.as_json()) == found


def test_the_name_of_a_unit_does_not_count(tmp_path: Path) -> None:
    tool = Yosys(family="xc7")
    first, second = (Synthesis(Module(kind="adder", name=name), tool, tmp_path) for name in ("first", "second"))
    assert first.key == second.key
    assert Synthesis(Module(kind="comparator", name="first"), tool, tmp_path).key != first.key
    assert Synthesis(Module(kind="adder", name="first"), Yosys(family="xcup"), tmp_path).key != first.key
    assert Synthesis(Module(kind="adder", name="first"), Yosys(family="xc7", dsp=True), tmp_path).key != first.key
    assert first.result().name == "first"
    stored = second.stored()
    assert stored is not None
    assert stored.name == "second"


def test_a_broken_module_is_named_with_reason_and_log(tmp_path: Path) -> None:
    with pytest.raises(
        SynthesisError, match=r"unit_under_test: pyosys .*sv:2: ERROR: use of undeclared identifier .*log is"
    ) as error:
        synthesize(Module(kind="broken"), cache=tmp_path)
    log = Path(str(error.value).rpartition(" ")[2])
    assert "undeclared_signal" in log.read_text()
    assert not list(tmp_path.glob("synthesis/??/*.json"))


def test_a_combinational_loop_is_named(tmp_path: Path) -> None:
    with pytest.raises(SynthesisError, match=r"unit_under_test: .*combinational loop"):
        synthesize(Module(kind="looped"), cache=tmp_path)


def test_a_synthesis_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(SynthesisError, match=r"unit_under_test: .* takes longer than 0\.01 s"):
        Synthesis(Module(kind="adder"), Yosys(family="xc7", timeout_s=0.01), tmp_path).result()


def test_unknown_families_and_tools_are_refused() -> None:
    with pytest.raises(ValueError, match=r"family out of xc7, xcup, found 'versal'"):
        synthesize(Module(kind="adder"), "versal")
    with pytest.raises(ValueError, match="yosys or vivado, found 'quartus'"):
        synthesize(Module(kind="adder"), tool="quartus")  # type: ignore[arg-type]


def test_a_missing_yosys_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finn_transforms.cost.yosys.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"pyosys .*pip install 'brevitas-finn-ext\[eda\]'"):
        synthesize(Module(kind="adder"))
