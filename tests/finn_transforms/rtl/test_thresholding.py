from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qonnx.core.datatype import DataType, resolve_datatype

from finn_transforms.rtl import Thresholding
from finn_transforms.rtl.streams import Integers
from finn_transforms.sim import Bench, Stalls
from tests.support.rtl_checks import check_units


def unit(name: str, steps: int = 3, rows: int | None = None, **changes: object) -> Thresholding:
    """Return a unit of 6 channels with random thresholds, some of which the input always or never reaches."""
    fields = {"channels": 6, "pe": 2, "input_type": DataType["INT5"], "output_type": DataType["UINT8"], **changes}
    if "thresholds" not in fields:
        low, high = int(fields["input_type"].min()), int(fields["input_type"].max())
        shape = (fields["channels"] if rows is None else rows, steps)
        generator = np.random.default_rng(sum(name.encode()))
        fields["thresholds"] = np.sort(generator.integers(low - 1, high + 1, shape, endpoint=True), axis=1)
    return Thresholding(name=name, num_vectors=(2, 2), **fields)


class Mistaken(Thresholding):
    """Hardware with one threshold that is 1 too high."""

    def sources(self) -> Mapping[str, str]:
        thresholds = self.thresholds.copy()
        thresholds[1, -1] += 1
        fields = {key: getattr(self, key) for key in self.__dataclass_fields__}
        return Thresholding(**{**fields, "thresholds": thresholds}).sources()


INT3, INT9, UINT7 = DataType["INT3"], DataType["INT9"], DataType["UINT7"]
EXTREMES = np.array([[-5, -4, 3, 4], [-4, -4, -4, -4], [4, 4, 4, 4], [-900, -1, 0, 10**12]])

UNITS = [
    unit("plain"),
    unit("wide", 15, channels=4, pe=4, input_type=INT9),
    unit("folded", 7, channels=24, pe=1, input_type=UINT7),
    unit("odd_fold", 5, channels=15, pe=3, input_type=INT9, output_type=INT3, bias=-3),
    unit("shared", 6, rows=1, input_type=UINT7, output_type=INT9, bias=-6),
    unit("one", 1, output_type=DataType["BIPOLAR"]),
    unit("signs", 1, input_type=DataType["BIPOLAR"], output_type=DataType["UINT2"], bias=1),
    unit("bits", 2, input_type=DataType["BINARY"]),
    unit("extremes", channels=4, pe=1, thresholds=EXTREMES, input_type=INT3, output_type=DataType["INT4"], bias=-2),
    unit("many", 255, channels=1, pe=1, input_type=INT9),
    unit("nine_bits", 511, channels=2, pe=1, input_type=DataType["INT11"], output_type=INT9, bias=-256),
    unit("coarse", thresholds=np.arange(-14, 16, 4).reshape(1, -1) * 8, input_type=INT9),
    unit("block", 7, channels=33, pe=1, input_type=INT9, memory="block"),
    unit("parallel", 7, channels=8, pe=2, search="parallel", output_type=DataType["INT4"], bias=-3),
    unit("parallel_extremes", channels=4, pe=2, thresholds=EXTREMES, input_type=INT3, search="parallel"),
    unit("parallel_one", 1, search="parallel", output_type=DataType["BIPOLAR"], memory="constant", channels=2),
]
MISTAKEN = Mistaken(
    name="mistaken",
    channels=2,
    pe=1,
    thresholds=np.array([[-3, 0, 2], [-1, 0, 1]]),
    input_type=INT3,
    output_type=DataType["UINT2"],
)


def every_value(layer: Thresholding) -> Integers:
    """Return beats in which each channel sees every value of the input type."""
    kind = layer.input_type
    values = np.array([-1, 1]) if kind.name == "BIPOLAR" else np.arange(int(kind.min()), int(kind.max()) + 1)
    vectors = layer.cycles() // layer.fold
    frames = -(-len(values) // vectors)
    order = np.resize(values, frames * vectors)
    by_channel = np.stack([np.roll(order, 3 * channel) for channel in range(layer.channels)], axis=-1)
    return by_channel.reshape(frames, layer.cycles(), layer.pe)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench([*UNITS, MISTAKEN])


@pytest.mark.parametrize("layer", UNITS, ids=lambda layer: layer.name)
def test_every_value_of_the_input(bench: Bench, layer: Thresholding) -> None:
    values = every_value(layer)
    stalled = Stalls(valid_probability=0.5, ready_probability=0.5, ready_after_valid=True)
    for stalls in (None, stalled, Stalls(ready_probability=0.2)):
        run = bench.run(layer, [values], stalls=stalls)
        np.testing.assert_array_equal(run.outputs[0], layer.golden(values)[0])
    free = bench.run(layer, [np.tile(values, (2, 1, 1))])
    assert free.interval == layer.cycles()
    assert free.latency == layer.latency


def test_a_threshold_that_is_1_off_is_noticed(bench: Bench) -> None:
    values = every_value(MISTAKEN)
    found, wanted = bench.run(MISTAKEN, [values]).outputs[0], MISTAKEN.golden(values)[0]
    wrong = found != wanted
    assert (values.reshape(-1)[wrong.reshape(-1)] == 1).all()
    assert wrong.any()


@st.composite
def layers(draw: st.DrawFn, name: str) -> Thresholding:
    bits, pe, fold, steps = (draw(st.integers(*ends)) for ends in ((2, 24), (1, 3), (1, 5), (1, 12)))
    signed = draw(st.booleans())
    low = -(1 << (bits - 1)) if signed else 0
    threshold = st.integers(low - 1, low + (1 << bits))
    rows = draw(st.sampled_from([1, pe * fold]))
    row = st.lists(threshold, min_size=steps, max_size=steps).map(sorted)
    bias = draw(st.integers(-steps - 2, 2))
    return Thresholding(
        name=name,
        channels=pe * fold,
        pe=pe,
        thresholds=np.array(draw(st.lists(row, min_size=rows, max_size=rows))),
        input_type=resolve_datatype(f"{'INT' if signed else 'UINT'}{bits}"),
        output_type=DataType["INT6"],
        bias=bias,
        num_vectors=(3,),
        search=draw(st.sampled_from(["binary", "parallel"])),
    )


@settings(max_examples=1, derandomize=True, deadline=None)
@given(st.tuples(*(layers(f"drawn_{index}") for index in range(6))))
def test_drawn_layers(drawn: tuple[Thresholding, ...]) -> None:
    check_units(drawn, frames=40)


def test_the_tables_move_into_block_ram_where_they_are_deep() -> None:
    deep = unit("deep", 15, channels=64, pe=1, input_type=INT9)
    assert replace(deep, memory="block").blocks == (False, True, True, True)
    assert replace(deep, memory="distributed").blocks == (False,) * 4
    assert deep.blocks == (False, False, False, True)
    assert replace(deep, memory="block").latency == 7


def test_the_same_thresholds_for_every_beat_are_constants() -> None:
    rows = np.tile(np.array([[-3, 1], [0, 5]]), (3, 1))
    assert unit("same", thresholds=rows).sets == 1
    assert unit("same", thresholds=rows, memory="constant").sets == 1
    assert unit("others", thresholds=rows, pe=3).sets == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pe": 4}, "expected a PE that divides 6 channels, found 4"),
        ({"thresholds": np.zeros((5, 3), dtype=int)}, r"expected thresholds \(1 or 6, 1 to 4095\), found \(5, 3\)"),
        ({"thresholds": np.zeros((1, 4096), dtype=int)}, r"found \(1, 4096\)"),
        ({"thresholds": np.array([[0.5]])}, "expected integer thresholds, found float64"),
        ({"thresholds": np.array([[2, 1]])}, "expected thresholds in ascending order"),
        ({"output_type": DataType["UINT2"], "bias": 1}, "expected results 1 to 4 to fit UINT2"),
        ({"output_type": DataType["BIPOLAR"]}, "expected 1 threshold for a bipolar output, found 3"),
        ({"input_type": DataType["FLOAT32"], "thresholds": np.array([[1]])}, "expected integer types, found FLOAT32"),
        ({"memory": "constant"}, "expected thresholds that no beat changes, found 3 sets"),
        ({"memory": "block", "search": "parallel"}, "expected thresholds of a parallel search in LUTs"),
        ({"search": "linear"}, "expected search 'binary' or 'parallel', found 'linear'"),
        ({"memory": "ultra"}, "expected memory .* found 'ultra'"),
    ],
)
def test_refusals(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"layer: {message}" if not message.startswith("found") else message):
        unit("layer", **changes)
