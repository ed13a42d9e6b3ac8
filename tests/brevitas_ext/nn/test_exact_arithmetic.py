"""Modes that would round integers are off within, and as they were after."""

from collections.abc import Iterator

import pytest
import torch
from torch import backends

from brevitas_ext.nn.exact_arithmetic import exact_arithmetic
from brevitas_ext.nn.exact_product import exact_matmul

CPU = torch.device("cpu")


@pytest.fixture
def reduced() -> Iterator[None]:
    backends.mkldnn.matmul.fp32_precision = "bf16"
    yield
    backends.mkldnn.matmul.fp32_precision = "none"


def test_autocast_does_not_reach_a_product() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        a = torch.full((1, 1), 1025.0)
        assert (a @ a).dtype == torch.bfloat16
        assert exact_matmul(a, a, a_bound=1025, b_bound=1025).tolist() == [[1025**2]]


@pytest.mark.usefixtures("reduced")
def test_reduced_precision_is_off_within() -> None:
    with exact_arithmetic(CPU):
        assert backends.mkldnn.matmul.fp32_precision == "ieee"
        assert not torch._C._get_nnpack_enabled()
    assert backends.mkldnn.matmul.fp32_precision == "bf16"
    assert torch._C._get_nnpack_enabled()


@pytest.mark.usefixtures("reduced")
def test_modes_are_restored_after_an_error() -> None:
    with pytest.raises(KeyError), exact_arithmetic(CPU):
        raise KeyError
    assert backends.mkldnn.matmul.fp32_precision == "bf16"


def test_versions_with_one_setting_for_all_products(monkeypatch: pytest.MonkeyPatch) -> None:
    # torch before 2.9
    monkeypatch.delattr(type(backends.mkldnn), "conv")
    torch.set_float32_matmul_precision("medium")
    try:
        with exact_arithmetic(CPU):
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
