"""The tables, as text."""

from dataclasses import replace

from qonnx.core.datatype import DataType
from rich.console import Console, RenderableType

from finn_transforms.analysis.matching import Refusal
from finn_transforms.cost import estimate
from finn_transforms.hw_graph import HwGraph, MvauParams, PoolParams, SwgParams, UnreadNode
from finn_transforms.report import AccumulatorRow, accumulator_table, layer_table, refusal_table
from tests.support.golden import assert_golden

UNIT = MvauParams(
    name="MVAU_conv1", mw=72, mh=8, simd=8, pe=2, input_type=DataType["UINT4"], weight_type=DataType["INT4"],
    accumulator_type=DataType["INT12"], output_type=DataType["INT12"], num_vectors=(1, 4, 4), ram_style="distributed",
)  # fmt: skip
WINDOW = SwgParams(
    name="ConvolutionInputGenerator_pool1", kernel=(2, 2), channels=8, image=(4, 4), output=(2, 2), stride=(2, 2),
    dilation=(1, 1), simd=4, data_type=DataType["UINT4"], depthwise=True,
)  # fmt: skip
POOL = PoolParams(
    name="Pool_pool1", channels=8, pe=4, kernel=(2, 2), function="MaxPool", output=(2, 2),
    input_type=DataType["UINT4"], output_type=DataType["UINT4"],
)  # fmt: skip
ROW = AccumulatorRow(
    name="MVAU_conv1", layer="conv1", k=72, weight_bits=4, input_bits=4, input_signed=False, width=12,
    data_type="INT12", needed_bits=12, lowest=-1404, highest=1278, weight_bound=14, datatype_bound=15,
    contract_bits=13, contract_bound="a2q", finn_width=13,
)  # fmt: skip


def rendered(*tables: RenderableType) -> str:
    console = Console(width=100, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        for table in tables:
            console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def test_summary() -> None:
    graph = HwGraph(layers=(UNIT, WINDOW, POOL), unread=(UnreadNode(name="LabelSelect_0", op_type="LabelSelect"),))
    untold = replace(
        ROW, name="MVAU_fc", layer=None, contract_bits=None, contract_bound=None, finn_width=None, input_signed=True,
        needed_bits=None, weight_bound=None, data_type="INT32",
    )  # fmt: skip
    refusal = Refusal(
        pass_name="InferMVAU", node="MatMul_3", op_type="MatMul", reason="its weights are no integers [float32]",
        advice="Quantize them",
    )  # fmt: skip
    assert_golden(
        "summary_tables",
        rendered(
            accumulator_table([ROW, untold]),
            layer_table(graph, [estimate(layer) for layer in graph.layers]),
            refusal_table([refusal]),
        ),
    )


def test_columns_that_say_nothing_are_left_out() -> None:
    untold = replace(ROW, contract_bits=None, finn_width=None)
    shown = rendered(accumulator_table([untold]))
    assert "FINN" not in shown
    assert "trained" not in shown
    assert "weights" in shown
