"""Which DSP slices a part has, and how many products share one."""

import pytest

from finn_transforms.cost import DspBlock, dsp_block
from finn_transforms.cost.dsp import lanes


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ("xc7z020clg400-1", "DSP48E1"),
        ("xczu7ev-ffvc1156-2-e", "DSP48E2"),
        ("xczu28dr-ffvg1517-2-e", "DSP48E2"),
        ("xck26-sfvc784-2LV-c", "DSP48E2"),
        ("xcu55c-fsvh2892-2L-e", "DSP48E2"),
        ("xcvu9p-flga2104-2-i", "DSP48E2"),
        ("xcku5p-ffvb676-2-e", "DSP48E2"),
        ("xcvc1902-vsva2197-2MP-e-S", "DSP58"),
        ("xcve2802-vsvh1760-2MP-e-S", "DSP58"),
        ("xcv80-lsva4737-2MHP-e-s", "DSP58"),
        ("xqrvc1902-vsra2197", "DSP58"),
    ],
)
def test_parts(part: str, block: DspBlock) -> None:
    assert dsp_block(part) == block


@pytest.mark.parametrize("part", ["", "zcu104", "ep4ce115", "xcx1"])
def test_an_unknown_part_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match="expected an AMD 7-series"):
        dsp_block(part)


@pytest.mark.parametrize(
    ("weights", "inputs", "block", "expected"),
    [(4, 4, "DSP48E2", 4), (4, 4, "DSP48E1", 3), (8, 8, "DSP48E2", 2), (8, 8, "DSP58", 2), (18, 8, "DSP48E1", 1)],
)
def test_lanes(weights: int, inputs: int, block: DspBlock, expected: int) -> None:
    assert lanes(weights, inputs, block) == expected
