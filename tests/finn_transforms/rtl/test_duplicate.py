import pytest
from qonnx.core.datatype import DataType

from finn_transforms.rtl import Duplicate
from tests.support.rtl_checks import check_units


def duplicate(copies: int, elements: int, data_type: str) -> Duplicate:
    return Duplicate(
        name=f"duplicate_{copies}_{elements}", data_type=DataType[data_type], elements=elements, beats=20, copies=copies
    )


def test_copies() -> None:
    runs = check_units([duplicate(2, 3, "INT3"), duplicate(3, 1, "BIPOLAR"), duplicate(5, 2, "UINT8")])
    assert {run.latency for run in runs.values()} == {1}


def test_one_copy_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 copies, found 1; leave it out"):
        duplicate(1, 1, "INT4")
